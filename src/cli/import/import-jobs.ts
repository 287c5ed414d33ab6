import { createHash, type Hash } from "node:crypto";
import { isJobferryError, type NewJob, type Queue } from "../../entry/index.ts";
import type { SqliteDatabase } from "../../entry/sqlite.ts";
import { CliError } from "../cli-error.ts";
import { EXIT, exitCodeOf } from "../exit-codes.ts";
import { badLine, jobOfLine, type LineDefaults } from "./job-line.ts";
import type { ImportLedger, ImportState } from "./ledger.ts";
import { type Line, readLines } from "./lines.ts";

/** One transaction: small enough that workers on the same file get their turn, large enough that its fsync is cheap per job. */
const MAX_BATCH_LINES = 1_000;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

type Read = Readonly<{ line: Line; job: NewJob | undefined }>;

export type ImportOptions = Readonly<{
  queue: Queue;
  chunks: AsyncIterable<Uint8Array>;
  defaults: LineDefaults;
  maxPayloadBytes: number;
  /** Store what has arrived after every chunk instead of waiting for a full batch: for pipes that trickle. */
  eager: boolean;
  /** Where the state is kept and under which name; undefined: the import cannot be resumed. */
  ledger: Readonly<{ file: ImportLedger; source: string }> | undefined;
  /** What an earlier run stored and this one leaves out. */
  from: ImportState | undefined;
  onProgress: (counts: ImportCounts) => void;
}>;

export type ImportCounts = Readonly<{
  /** Jobs that this run stored. */
  pushed: number;
  /** The last line that is stored, by this run or an earlier one. */
  lastLine: number;
  /** Lines that an earlier run stored. */
  skipped: number;
}>;

/**
 * Pushes the jobs of a stream of lines in its order, in batches, with one batch in memory. Whatever ends it early, all lines before that are
 * stored first, and `counts` says how far it came.
 */
export class Import {
  readonly #options: ImportOptions;
  readonly #hash: Hash = createHash("sha256");
  #batch: Read[] = [];
  #batchBytes = 0;
  #state: ImportState | undefined;
  #pushed = 0;
  #lastLine = 0;

  constructor(options: ImportOptions, state: ImportState | undefined) {
    this.#options = options;
    this.#state = state;
  }

  get counts(): ImportCounts {
    const skipped = this.#options.from?.lines ?? 0;
    return { pushed: this.#pushed, lastLine: Math.max(this.#lastLine, skipped), skipped };
  }

  /** @throws what reading, a bad line or the store threw; then with everything before it stored. */
  async run(): Promise<void> {
    try {
      await this.#readAll();
    } catch (error) {
      if (!isStoreError(error)) await this.#flush(false);
      throw error;
    }
    const { from } = this.#options;
    if (from !== undefined && this.#lastLine < from.lines) throw changed(from.lines);
    await this.#flush(true);
  }

  async #readAll(): Promise<void> {
    const { chunks, defaults, maxPayloadBytes, eager } = this.#options;
    for await (const lines of readLines(chunks)) {
      for (const line of lines) {
        if (this.#skip(line)) continue;
        const job = jobOfLine(line, defaults, maxPayloadBytes);
        this.#batch.push({ line, job });
        this.#batchBytes += line.bytes.length;
        if (this.#batch.length >= MAX_BATCH_LINES || this.#batchBytes >= MAX_BATCH_BYTES) await this.#flush(false);
      }
      if (eager && this.#batch.length > 0) await this.#flush(false);
    }
  }

  /** Lines of an earlier run are only hashed: they must be the same as then. */
  #skip(line: Line): boolean {
    const { from } = this.#options;
    if (from === undefined || line.number > from.lines) return false;
    this.#count(line);
    if (line.number === from.lines && this.#digest() !== from.digest) throw changed(from.lines);
    return true;
  }

  async #flush(finished: boolean): Promise<void> {
    const batch = this.#batch;
    const { ledger } = this.#options;
    if (batch.length === 0 && (!finished || ledger === undefined)) return;
    this.#batch = [];
    this.#batchBytes = 0;
    try {
      await this.#store(batch, finished);
    } catch (error) {
      if (exitCodeOf(error) !== EXIT.usage && exitCodeOf(error) !== EXIT.partial) throw new StoreError(error);
      // A job that only the store refuses, or a part of the batch: which line it was shows one by one.
      await this.#storeOneByOne(batch);
    }
    this.#options.onProgress(this.counts);
  }

  async #storeOneByOne(batch: readonly Read[]): Promise<void> {
    for (const read of batch) {
      try {
        await this.#store([read], false);
      } catch (error) {
        const cause = isJobferryError(error, "BATCH_INCOMPLETE") ? error.cause : error;
        throw new StoreError(exitCodeOf(cause) === EXIT.usage ? badLine(read.line.number, cause) : cause);
      }
    }
  }

  async #store(batch: readonly Read[], finished: boolean): Promise<void> {
    const { queue, ledger } = this.#options;
    const jobs = batch.flatMap(({ job }) => (job === undefined ? [] : [job]));
    if (ledger === undefined) {
      await queue.pushBatch(jobs);
      this.#counted(batch, jobs.length);
      return;
    }
    const hash = this.#hash.copy();
    for (const { line } of batch) addLine(hash, line);
    const lines = batch.at(-1)?.line.number ?? this.#lastLine;
    const state = { lines, digest: hash.digest("hex"), finished };
    this.#state = await ledger.file.commit(ledger.source, this.#state, async (transaction) => {
      await (queue as unknown as Queue<SqliteDatabase>).pushBatch(jobs, { transaction });
      return state;
    });
    this.#counted(batch, jobs.length);
  }

  #counted(batch: readonly Read[], jobs: number): void {
    for (const { line } of batch) this.#count(line);
    this.#pushed += jobs;
  }

  #count(line: Line): void {
    addLine(this.#hash, line);
    this.#lastLine = line.number;
  }

  #digest(): string {
    return this.#hash.copy().digest("hex");
  }
}

/** The store refused or failed: the batch in hand must not be tried again on the way out. */
class StoreError extends Error {
  constructor(cause: unknown) {
    super("The batch was not stored.", { cause });
  }
}

function isStoreError(error: unknown): boolean {
  return error instanceof StoreError;
}

/** The error behind what `run` threw. */
export function reasonOf(error: unknown): unknown {
  return error instanceof StoreError ? error.cause : error;
}

function addLine(hash: Hash, line: Line): void {
  hash.update(line.bytes);
  hash.update("\n");
}

function changed(lines: number): CliError {
  return new CliError(
    "INPUT_INVALID",
    EXIT.usage,
    `The first ${lines} lines, which an earlier run stored, are not the same now. Restore them to go on with --resume, or push everything again with --restart.`,
  );
}
