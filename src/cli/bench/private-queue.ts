import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createQueue, type Queue } from "../../entry/index.ts";
import { sqlitePath } from "../connection.ts";
import { EXIT } from "../exit-codes.ts";
import type { Terminal } from "../terminal.ts";

export type BenchSetting = Readonly<{ queue: Queue; name: string; backend: string }>;

/**
 * Nothing of the user's is touched: SQLite gets a file of its own in the same directory (so on the same disk; without a URL in the temporary
 * one), another backend a queue name of its own. Both are gone afterwards.
 */
export async function withBenchQueue(
  terminal: Terminal,
  url: string | undefined,
  use: (setting: BenchSetting) => Promise<void>,
): Promise<void> {
  const path = url === undefined ? "" : sqlitePath(url);
  if (path === undefined) return withOwnName(url ?? "", use);
  const directory = mkdtempSync(join(path === "" ? tmpdir() : dirname(resolve(path)), ".jobferry-bench-"));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const onSignal = (): void => {
    remove();
    process.exit(EXIT.interrupted);
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  try {
    await withOwnName(`sqlite:${join(directory, "bench.db")}`, use);
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    remove();
    terminal.note(`Removed ${directory}`);
  }
}

async function withOwnName(url: string, use: (setting: BenchSetting) => Promise<void>): Promise<void> {
  const queue = await createQueue(url);
  const name = `jobferry-bench-${process.pid}-${Date.now().toString(36)}`;
  try {
    await use({ queue, name, backend: url.slice(0, url.indexOf(":")) });
  } finally {
    if (queue.capabilities.clear.support !== "unsupported") await queue.clear(name);
    await queue.close();
  }
}
