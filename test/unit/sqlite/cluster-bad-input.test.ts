/** What a node of a cluster in a file is told, with which code, and that the file is left as it was. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { sqliteCluster } from "../../../src/entry/sqlite.ts";
import { isJobferryError, type JobferryError } from "../../../src/errors/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { newFolder, newPath } from "./setup.ts";

async function startError(path: string, options: object = {}): Promise<JobferryError> {
  const cluster = sqliteCluster(path, { nodeId: "a", logger: silentLogger, ...options });
  const error: unknown = await cluster.start().catch((thrown: unknown) => thrown);
  await cluster.stop();
  if (!isJobferryError(error)) throw new Error(`not an error of ours: ${String(error)}`);
  expect(error.message).toContain(JSON.stringify(path));
  return error;
}

function fill(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

const TEXT = "this is a text file, and quite a bit longer than the head of a database is. ".repeat(40);

describe("a file that does not do", () => {
  test.each([
    ["of another program", (path: string) => fill(path, "CREATE TABLE users (id INTEGER)"), "STORE_FOREIGN"],
    ["that is no database", (path: string) => writeFileSync(path, TEXT), "STORE_CORRUPT"],
  ])("%s stays as it is", async (_, make, code) => {
    const path = newPath();
    make(path);
    const before = readFileSync(path);
    expect(await startError(path)).toMatchObject({ code, retryable: false });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("of a newer release is STORE_NEWER", async () => {
    const path = newPath();
    const first = sqliteCluster(path, { nodeId: "a", logger: silentLogger });
    await first.start();
    await first.stop();
    fill(path, "PRAGMA user_version = 99");
    expect(await startError(path)).toMatchObject({ code: "STORE_NEWER", message: expect.stringContaining("99") });
  });

  test("in a folder that is not there is UNAVAILABLE", async () => {
    expect(await startError(join(newFolder(), "missing", "cluster.db"))).toMatchObject({ code: "UNAVAILABLE" });
  });

  test("that somebody else is writing for too long is UNAVAILABLE and worth another try, and the next start works", async () => {
    const path = newPath();
    fill(path, "PRAGMA journal_mode = DELETE");
    const other = new DatabaseSync(path);
    other.exec("BEGIN EXCLUSIVE; CREATE TABLE held (id INTEGER)");
    expect(await startError(path, { busyTimeout: "100ms" })).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    other.exec("ROLLBACK");
    other.close();
    const next = sqliteCluster(path, { nodeId: "a", logger: silentLogger });
    await next.start();
    await next.stop();
  });

  test("with a living node of that id; the living one stays, and of the other nothing is left", async () => {
    const path = newPath();
    const times = { electionTimeout: "3s", joinTimeout: "5s" } as const;
    const first = sqliteCluster(path, { nodeId: "a", logger: silentLogger, ...times });
    await first.start();
    const second = sqliteCluster(path, { nodeId: "a", logger: silentLogger, ...times });
    await expect(second.start()).rejects.toMatchObject({ code: "NODE_ID_TAKEN" });
    await second.stop();
    expect((await first.nodes()).map(({ id }) => id)).toEqual(["a"]);
    await first.stop();
    const database = new DatabaseSync(path, { readOnly: true });
    expect(database.prepare("SELECT count(*) AS n FROM jobferry_sessions").get()).toEqual({ n: 0 });
    database.close();
  });

  test("takes no such lock name, message or node information", async () => {
    const path = newPath();
    const cluster = sqliteCluster(path, { nodeId: "a", logger: silentLogger });
    await cluster.start();
    await expect(cluster.lock("ü".repeat(200))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const message = cluster.broadcast("news", "x".repeat(1_100_000));
    await expect(message).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    await cluster.stop();
    const info = "x".repeat(1_100_000);
    expect(() => sqliteCluster(path, { nodeId: "a", info })).toThrow(/this info has .* bytes/);
  });
});
