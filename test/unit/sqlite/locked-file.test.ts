import { mkdtempSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { createJob } from "../../../src/entry/index.ts";
import { sqliteQueue } from "../../../src/entry/sqlite.ts";

test("a single push, which needs no transaction around it, waits for a file that another process has locked, and is stored once", async () => {
  const folder = mkdtempSync(join(tmpdir(), "jobferry-locked-"));
  const path = join(folder, "jobs.db");
  const queue = await sqliteQueue(path).open();
  await queue.push(createJob("makes the queue known"));
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  let stored = false;
  const pushed = queue.push(createJob("waits")).then(() => (stored = true));
  await pause(30);
  expect(stored).toBe(false);
  other.exec("ROLLBACK");
  await pushed;
  expect(await queue.size()).toBe(2);
  other.close();
  await queue.close();
  rmSync(folder, { recursive: true });
});
