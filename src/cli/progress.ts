import { SingleBar } from "cli-progress";
import type { Terminal } from "./terminal.ts";

const LINE_EVERY_MS = 5_000;

/** How far a long command is: a bar on a terminal, one line every 5 s elsewhere, nothing with `--quiet`. Always on stderr. */
export interface Progress {
  update(done: number, text?: string): void;
  end(): void;
}

export type ProgressOptions = Readonly<{
  /** What is counted, such as "MiB read". */
  unit: string;
  /** undefined: not known. */
  total: number | undefined;
}>;

export function startProgress(terminal: Terminal, { unit, total }: ProgressOptions): Progress {
  if (terminal.quiet) return { update: () => undefined, end: () => undefined };
  if (terminal.stderr.isTTY === true && process.env["TERM"] !== "dumb" && total !== undefined) {
    return bar(terminal, unit, total);
  }
  return lines(terminal, unit, total);
}

function bar(terminal: Terminal, unit: string, total: number): Progress {
  const shown = new SingleBar({
    format: `{bar} {percentage}% | {value}/{total} ${unit} | {text}`,
    stream: terminal.stderr,
    hideCursor: true,
    clearOnComplete: true,
    // Signals are the command's; the cursor comes back in end().
    gracefulExit: false,
  });
  shown.start(total, 0, { text: "" });
  return {
    update: (done, text = "") => shown.update(Math.min(done, total), { text }),
    end: () => shown.stop(),
  };
}

function lines(terminal: Terminal, unit: string, total: number | undefined): Progress {
  let current = "";
  const timer = setInterval(() => {
    if (current !== "") terminal.note(current);
  }, LINE_EVERY_MS);
  timer.unref();
  return {
    update: (done, text = "") => {
      const of = total === undefined || total === 0 ? "" : `/${total} (${Math.floor((100 * done) / total)}%)`;
      current = `${done}${of} ${unit} ${text}`.trimEnd();
    },
    end: () => clearInterval(timer),
  };
}
