import { DatabaseSync } from "node:sqlite";
import { CliError } from "../cli-error.ts";
import { EXIT } from "../exit-codes.ts";

/** How far the lines of one source are stored. `digest` is the SHA-256 of those lines, so that a changed file is noticed. */
export type ImportState = Readonly<{ lines: number; digest: string; finished: boolean }>;

/** How long a commit waits for other writers of the file. It blocks this process, which has nothing else to do. */
const BUSY_MS = 30_000;

const TABLE = `CREATE TABLE IF NOT EXISTS jobferry_imports (
  source TEXT PRIMARY KEY, lines INTEGER NOT NULL, digest TEXT NOT NULL, finished INTEGER NOT NULL, changed_at INTEGER NOT NULL
) WITHOUT ROWID`;
const SELECT = "SELECT lines, digest, finished FROM jobferry_imports WHERE source = ?";
const SAVE = `INSERT INTO jobferry_imports VALUES (?, ?, ?, ?, ?) ON CONFLICT (source) DO UPDATE SET
  lines = excluded.lines, digest = excluded.digest, finished = excluded.finished, changed_at = excluded.changed_at`;

/**
 * The state of imports, in the database of the jobs themselves: a batch and the number of its last line are one transaction, so that no kill
 * at any moment can part them (docs/adr/0040). Its own table: the driver knows nothing of it.
 */
export class ImportLedger {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** The file of a queue that is open already. */
  static open(path: string): ImportLedger {
    const database = new DatabaseSync(path, { timeout: BUSY_MS });
    try {
      database.exec("PRAGMA synchronous = FULL");
      database.exec(TABLE);
      return new ImportLedger(database);
    } catch (error) {
      database.close();
      throw storeError(error);
    }
  }

  read(source: string): ImportState | undefined {
    const row = this.#run(() => this.#database.prepare(SELECT).get(source));
    if (row === undefined) return undefined;
    return { lines: Number(row["lines"]), digest: String(row["digest"]), finished: row["finished"] === 1 };
  }

  /**
   * Whatever `store` pushes with this handle is committed together with the state that it resolves to, or not at all.
   * @throws CliError when another process has changed the state since it was `before`.
   */
  async commit(
    source: string,
    before: ImportState | undefined,
    store: (handle: DatabaseSync) => Promise<ImportState>,
  ): Promise<ImportState> {
    this.#run(() => this.#database.exec("BEGIN IMMEDIATE"));
    try {
      const found = this.read(source);
      if (found?.lines !== before?.lines || found?.digest !== before?.digest) throw changedByAnother(source);
      const state = await store(this.#database);
      this.#run(() => {
        this.#database.prepare(SAVE).run(source, state.lines, state.digest, state.finished ? 1 : 0, Date.now());
        this.#database.exec("COMMIT");
      });
      return state;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }

  #run<T>(statement: () => T): T {
    try {
      return statement();
    } catch (cause) {
      throw storeError(cause);
    }
  }
}

function changedByAnother(source: string): CliError {
  return new CliError(
    "UNAVAILABLE",
    EXIT.backend,
    `Another process is pushing ${source} at the same time. Let one finish; nothing of this batch was stored.`,
  );
}

/** SQLite's result codes; its own messages can hold SQL. */
function storeError(cause: unknown): CliError {
  const result = cause instanceof Error && "errcode" in cause ? Number(cause.errcode) & 0xff : undefined;
  if (result === 13)
    return new CliError("STORE_FULL", EXIT.backend, "The disk is full. Free space and use --resume.", { cause });
  if (result === 8)
    return new CliError("STORE_READ_ONLY", EXIT.backend, "The database cannot be written. Make it writable.", {
      cause,
    });
  return new CliError(
    "UNAVAILABLE",
    EXIT.backend,
    "The database could not be written: it stayed locked, or its disk fails. Use --resume.",
    { cause },
  );
}
