import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { APPLICATION_ID, LAYOUT_VERSION, MIGRATIONS } from "../../../src/drivers/sqlite/schema.ts";
import { ended, message, newDatabase, start } from "./actors.ts";

/** A file as the release with layout version 1 left it, with one job in it. */
function fileOfVersionOne(path: string): void {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec(MIGRATIONS[0] ?? "");
  database.exec("INSERT INTO jobferry_meta (key, value) VALUES ('version', 1)");
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1`);
  database.exec("INSERT INTO jobferry_queues (name) VALUES ('work')");
  database.exec("INSERT INTO jobferry_counters (id, value) VALUES (1, 0)");
  database.exec(
    `INSERT INTO jobferry_jobs (id, queue, state, priority, max_losses, created_at, available_at, name, envelope)
      VALUES ('old', 1, 0, 0, 3, 0, 0, 'default', x'01')`,
  );
  database.close();
}

test("eight processes that start at once on a file of layout version 1 migrate it once, and lose nothing", async () => {
  expect(LAYOUT_VERSION).toBe(MIGRATIONS.length);
  const path = newDatabase();
  fileOfVersionOne(path);
  const children = Array.from({ length: 8 }, () => start("opens", path));
  expect(await Promise.all(children.map((child) => message(child)))).toEqual(children.map(() => ({ done: true })));
  await Promise.all(children.map(ended));
  const database = new DatabaseSync(path);
  const one = (sql: string): unknown => database.prepare(sql).get();
  expect(one("PRAGMA user_version")).toEqual({ user_version: LAYOUT_VERSION });
  expect(one("SELECT value FROM jobferry_meta WHERE key = 'version'")).toEqual({ value: LAYOUT_VERSION });
  expect(one("SELECT count(*) AS n FROM jobferry_jobs")).toEqual({ n: 9 });
  expect(one("SELECT state, queue FROM jobferry_jobs WHERE id = 'old'")).toEqual({ state: 0, queue: 1 });
  expect(one("SELECT count(*) AS n FROM jobferry_sessions")).toEqual({ n: 0 });
  expect(one("PRAGMA integrity_check")).toEqual({ integrity_check: "ok" });
  database.close();
});

test("a migration that is cut off leaves the file of version 1 as it was, and the next process does it", async () => {
  const path = newDatabase();
  fileOfVersionOne(path);
  const database = new DatabaseSync(path);
  // As SIGKILL in the middle: the transaction is never committed.
  database.exec("BEGIN IMMEDIATE");
  database.exec(MIGRATIONS[1] ?? "");
  database.close();
  const child = start("opens", path);
  expect(await message(child)).toEqual({ done: true });
  await ended(child);
  const after = new DatabaseSync(path);
  expect(after.prepare("PRAGMA user_version").get()).toEqual({ user_version: LAYOUT_VERSION });
  expect(after.prepare("SELECT count(*) AS n FROM jobferry_jobs").get()).toEqual({ n: 2 });
  after.close();
});
