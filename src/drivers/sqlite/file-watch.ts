import { watch } from "node:fs";
import type { FSWatcher } from "node:fs";
import type { Clock, Timer } from "../../contract/index.ts";
import type { SqliteDatabase, SqliteStatement } from "./database.ts";

/**
 * The file system tells of the write before SQLite has published the commit (with `durability: "power"` a whole fsync lies between), so a
 * look that finds nothing is repeated after these milliseconds.
 */
const LOOK_AGAIN_MS = [1, 4, 12, 30] as const;

/**
 * Tells of commits by other connections, other processes included: a file watch on the WAL as a hint, `PRAGMA data_version` as the truth. It
 * does not change with commits of our own connection. Reads only; the files are never opened here, because closing any descriptor of a
 * database drops SQLite's own locks on it.
 */
export class FileWatch {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #version: SqliteStatement;
  #seen = -1;
  #watcher: FSWatcher | undefined;
  #again: Timer | undefined;

  constructor(database: SqliteDatabase, path: string, clock: Clock, onChange: () => void) {
    this.#path = `${path}-wal`;
    this.#clock = clock;
    this.#onChange = onChange;
    this.#version = database.prepare("PRAGMA data_version");
  }

  start(): void {
    if (this.#watcher !== undefined) return;
    this.#seen = this.#read();
    try {
      this.#watcher = watch(this.#path, { persistent: false }, () => this.#look(0));
      // Then the slow poll alone wakes: no watches left, or a file system without them.
      this.#watcher.on("error", () => this.stop());
    } catch {
      this.#watcher = undefined;
    }
  }

  stop(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#again?.cancel();
    this.#again = undefined;
  }

  #look(repeat: number): void {
    const version = this.#read();
    if (version !== this.#seen) {
      this.#seen = version;
      this.#again?.cancel();
      this.#again = undefined;
      return this.#onChange();
    }
    if (repeat === 0 && this.#again !== undefined) return;
    const delay = LOOK_AGAIN_MS[repeat];
    this.#again =
      delay === undefined ? undefined : this.#clock.timer(delay, () => this.#look(repeat + 1), { keepAlive: false });
  }

  #read(): number {
    try {
      return (this.#version.get() as Readonly<{ data_version: number }>).data_version;
    } catch {
      // Locked for a moment: look again.
      return this.#seen;
    }
  }
}
