import { styleText } from "node:util";
import { type Redact, redactorFor } from "./redact.ts";

export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
export type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean };
export type Streams = Readonly<{ stdin: Input; stdout: Output; stderr: Output }>;
type Style = "red" | "yellow" | "green" | "dim" | "bold";

/**
 * The three streams under the contract of the command line: data goes to stdout and nothing else does; notes, questions and errors go to
 * stderr, and no secret of the URL is in them.
 */
export class Terminal {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  json = false;
  quiet = false;
  redact: Redact = redactorFor();

  constructor({ stdin, stdout, stderr }: Streams) {
    this.stdin = stdin;
    this.stdout = stdout;
    this.stderr = stderr;
  }

  /** Data for people; with `--json` the same data as one envelope. `data` must be what JSON can carry. */
  show(data: unknown, asText: () => string, nextCursor?: string): void {
    this.stdout.write(this.json ? `${envelope(data, nextCursor)}\n` : ended(asText()));
  }

  /** Hints and progress, not shown with `--quiet`, and as warnings what happened to jobs. `level` is told with `--json` only. */
  note(text: string, fields: Readonly<Record<string, unknown>> = {}, level: "info" | "warning" = "info"): void {
    if (this.quiet && level === "info") return;
    if (this.json) this.#log(level, text, fields);
    else this.stderr.write(ended(this.redact(text)));
  }

  warn(text: string, fields: Readonly<Record<string, unknown>> = {}): void {
    if (this.json) this.#log("warning", text, fields);
    else this.stderr.write(ended(`${this.style("yellow", "warning:", this.stderr)} ${this.redact(text)}`));
  }

  /** With `--json` the lines of stderr are JSON too, each with its time. */
  #log(level: string, message: string, fields: Readonly<Record<string, unknown>>): void {
    const line = { time: new Date().toISOString(), level, message, ...fields };
    this.stderr.write(ended(this.redact(JSON.stringify(line, errorsAsText))));
  }

  /** `others`: as `Redact` has them. */
  error(code: string, message: string, details: Readonly<Record<string, unknown>>, others?: readonly string[]): void {
    const shown = this.redact(message, others);
    const line = this.json
      ? JSON.stringify({ version: 1, error: { code, message: shown, ...details } })
      : `${this.style("red", "error:", this.stderr)} ${shown} (${code})`;
    this.stderr.write(ended(line));
  }

  /** Nothing but the text where the stream is no terminal, or NO_COLOR, TERM=dumb and the like say so. */
  style(style: Style, text: string, stream: Output = this.stdout): string {
    return styleText(style, text, { stream: stream as NodeJS.WriteStream });
  }
}

function errorsAsText(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}

function envelope(data: unknown, nextCursor: string | undefined): string {
  return JSON.stringify({ version: 1, data, nextCursor: nextCursor ?? null });
}

function ended(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}
