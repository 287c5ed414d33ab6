import { createReadStream, realpathSync, statSync } from "node:fs";
import type { Readable } from "node:stream";
import { JobferryError } from "../../entry/index.ts";
import type { Cli } from "../cli.ts";
import { CliError } from "../cli-error.ts";
import { type Connection, sqlitePath } from "../connection.ts";
import { EXIT, exitCodeOf } from "../exit-codes.ts";
import { startProgress } from "../progress.ts";
import { Import, type ImportCounts, reasonOf } from "./import-jobs.ts";
import type { LineDefaults } from "./job-line.ts";
import { ImportLedger, type ImportState } from "./ledger.ts";
import { jobCount } from "../job-count.ts";

export type PushLinesOptions = Readonly<{
  /** A path, or "-" for stdin. */
  file: string;
  source: string | undefined;
  start: "fresh" | "resume" | "restart";
  defaults: LineDefaults;
}>;

type Input = Readonly<{ stream: Readable; bytes: number | undefined; source: string | undefined }>;

/** `jobferry push --file`. */
export async function pushLines(cli: Cli, connection: Connection, options: PushLinesOptions): Promise<void> {
  const input = openInput(cli, options);
  // Opened while nobody reads it yet, it can fail: whoever reads it hears of that, too.
  input.stream.on("error", () => undefined);
  let ledger: Ledger | undefined;
  try {
    ledger = openLedger(cli, connection, input.source, options.start);
    const state = ledger?.file.read(ledger.source);
    const from = startingPoint(state, options.start, options.file);
    await run(cli, connection, options, { input, ledger, state, from });
  } finally {
    input.stream.destroy();
    ledger?.file.close();
  }
}

type Ledger = Readonly<{ file: ImportLedger; source: string }>;
type Run = Readonly<{
  input: Input;
  ledger: Ledger | undefined;
  state: ImportState | undefined;
  from: ImportState | undefined;
}>;

async function run(
  cli: Cli,
  { queue }: Connection,
  { file, defaults }: PushLinesOptions,
  { input, ledger, state, from }: Run,
): Promise<void> {
  const { stream, bytes } = input;
  const unit = bytes === undefined ? "jobs" : "KiB";
  const progress = startProgress(cli.terminal, { unit, total: bytes === undefined ? undefined : kibibytes(bytes) });
  let read = 0;
  const counted = countBytes(stream, (length) => (read += length));
  const work = new Import(
    {
      ...{ queue, chunks: counted, defaults, ledger, from },
      maxPayloadBytes: queue.capabilities.payload.maxBytes,
      eager: file === "-",
      onProgress: ({ pushed, lastLine }) =>
        progress.update(bytes === undefined ? pushed : kibibytes(read), `line ${lastLine}, ${pushed} jobs pushed`),
    },
    state,
  );
  const unhook = interruptible(stream);
  try {
    await work.run();
  } catch (error) {
    throw ended(reasonOf(error), work.counts, ledger !== undefined);
  } finally {
    unhook();
    progress.end();
  }
  const { pushed, lastLine, skipped } = work.counts;
  cli.terminal.show({ pushed, lastLine, skippedLines: skipped, source: input.source ?? null }, () => {
    const before = skipped > 0 ? ` (lines 1 to ${skipped} were stored earlier)` : "";
    return `Pushed ${jobCount(pushed)}${before}`;
  });
}

function openInput(cli: Cli, { file, source }: PushLinesOptions): Input {
  if (file === "-") return { stream: cli.terminal.stdin as Readable, bytes: undefined, source };
  try {
    const stat = statSync(file);
    if (stat.isDirectory()) throw new JobferryError("INVALID_ARGUMENT", `--file ${file} is a directory.`);
    const bytes = stat.isFile() ? stat.size : undefined;
    return { stream: createReadStream(file), bytes, source: source ?? realpathSync(file) };
  } catch (cause) {
    if (cause instanceof JobferryError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new JobferryError("INVALID_ARGUMENT", `--file ${file} cannot be read: ${reason}`, { cause });
  }
}

/** undefined where nothing can be resumed later. @throws when it was asked for and cannot be. */
function openLedger(
  cli: Cli,
  { url, queue }: Connection,
  source: string | undefined,
  start: PushLinesOptions["start"],
): Ledger | undefined {
  const path = queue.capabilities.transactions && queue.capabilities.shared ? sqlitePath(url) : undefined;
  if (path === undefined) {
    if (start !== "fresh") {
      const why =
        "--resume and --restart need a backend that stores jobs and progress in one transaction (sqlite:PATH).";
      const instead = queue.capabilities.pushById
        ? "Leave them out and give each line an id: pushing it again then changes nothing."
        : "Leave them out, and push only the lines that are not stored: the error of a push says which was the last.";
      throw new JobferryError("UNSUPPORTED", `${why} ${instead}`);
    }
    if (!queue.capabilities.shared)
      cli.terminal.warn("This queue lives in this process only: the jobs are gone with it.");
    return undefined;
  }
  if (source === undefined) {
    if (start === "fresh") return undefined;
    throw new JobferryError(
      "INVALID_ARGUMENT",
      "stdin has no name to resume under. Give the same --source in both runs.",
    );
  }
  return { file: ImportLedger.open(path), source };
}

function startingPoint(
  state: ImportState | undefined,
  start: PushLinesOptions["start"],
  file: string,
): ImportState | undefined {
  if (start === "resume") return state;
  if (state === undefined || state.finished || start === "restart") return undefined;
  throw new CliError(
    "INPUT_INVALID",
    EXIT.usage,
    `An earlier push of ${file} stored its lines 1 to ${state.lines} and did not end. Go on with --resume, or push all lines again with --restart.`,
    { details: { lastLine: state.lines } },
  );
}

/** The error as it is told: how far it came and what to do. */
function ended(error: unknown, counts: ImportCounts, resumable: boolean): CliError {
  const { pushed, lastLine } = counts;
  const known = exitCodeOf(error);
  const exit = known === EXIT.usage && pushed > 0 ? EXIT.partial : known;
  const code = error instanceof CliError || error instanceof JobferryError ? error.code : "UNEXPECTED";
  const message = (error instanceof Error ? error.message : String(error)).replace(/[^.!?]$/, "$&.");
  const stored = lastLine === 0 ? "Nothing was stored." : `Everything up to line ${lastLine} is stored.`;
  const next = resumable && lastLine > 0 ? " Then go on with --resume." : "";
  const details = { ...(error instanceof CliError ? error.details : {}), pushed, lastLine };
  return new CliError(code, exit, `${message} ${stored}${next}`, { cause: error, details });
}

/** Until the returned function is called, SIGINT and SIGTERM end the input: what was read is stored first. A second one kills as ever. */
function interruptible(stream: Readable): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    unhook();
    const exit = signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
    stream.destroy(new CliError("INTERRUPTED", exit, `Stopped by ${signal}.`));
  };
  const unhook = (): void => {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return unhook;
}

async function* countBytes(
  stream: Readable,
  add: (length: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of stream) {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : (chunk as Uint8Array);
    add(bytes.length);
    yield bytes;
  }
}

function kibibytes(bytes: number): number {
  return Math.ceil(bytes / 1024);
}
