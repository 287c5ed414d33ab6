import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Queue } from "../../entry/index.ts";
import { type Opening, sqlitePath, withQueue } from "../connection.ts";
import { EXIT } from "../exit-codes.ts";
import { BENCH_QUEUE } from "../own-queues.ts";
import type { StoreOptions } from "../store.ts";
import type { Terminal } from "../terminal.ts";

export type BenchSetting = Readonly<{ queue: Queue; name: string; backend: string }>;

/**
 * Nothing of the user's is touched: SQLite gets a file of its own in the same directory (so on the same disk; without a URL in the temporary
 * one), which is removed; another backend a queue of its own, which is cleared.
 */
export async function withBenchQueue(
  terminal: Terminal,
  store: StoreOptions,
  opening: Pick<Opening, "durability">,
  use: (setting: BenchSetting) => Promise<void>,
): Promise<void> {
  const path = store.url === undefined ? "" : sqlitePath(store.url);
  if (path === undefined) return inOwnQueue(terminal, store, opening, use);
  const directory = mkdtempSync(join(path === "" ? tmpdir() : dirname(resolve(path)), ".jobferry-bench-"));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const onSignal = (): void => {
    remove();
    process.exit(EXIT.interrupted);
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  try {
    const own = { ...store, url: `sqlite:${join(directory, "bench.db")}` };
    await inOwnQueue(terminal, own, { ...opening, make: true }, use);
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    remove();
    terminal.note(`Removed ${directory}`);
  }
}

function inOwnQueue(
  terminal: Terminal,
  store: StoreOptions,
  opening: Opening,
  use: (setting: BenchSetting) => Promise<void>,
): Promise<void> {
  return withQueue(terminal, store, opening, async ({ queue, url }) => {
    const clear = async (): Promise<void> => {
      if (queue.capabilities.clear.support !== "unsupported") await queue.clear(BENCH_QUEUE);
    };
    try {
      await clear(); // what a killed bench left
      await use({ queue, name: BENCH_QUEUE, backend: url.slice(0, url.indexOf(":")) });
    } finally {
      await clear();
    }
  });
}
