import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { createJob, Queue } from "../../../src/core/index.ts";
import { isJobferryError, type JobferryError } from "../../../src/errors/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { type SqliteDatabase, sqliteDriver } from "../../../src/drivers/sqlite/index.ts";
import type { Driver, ErrorClass, PushResult } from "../../../src/contract/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import { contextOf, item, newFolder, newPath, openDriver, take } from "./setup.ts";

/** What opening this file fails with; the file is left byte for byte as it was. */
async function refusal(path: string, before: Buffer = readFileSync(path)): Promise<ErrorClass> {
  const driver = sqliteDriver({ path });
  const error: unknown = await driver.open(contextOf(virtualClock())).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  await driver.close();
  expect(error).toBeDefined();
  expect(readFileSync(path).equals(before)).toBe(true);
  expect((error as Error).message).toContain(JSON.stringify(path));
  return driver.classify(error);
}

function codeOf(driver: Driver<SqliteDatabase>, result: PushResult): string | undefined {
  return "error" in result ? driver.classify(result.error).code : undefined;
}

const OWN_MOUNTS = ["unshare", "--map-root-user", "--mount"] as const;

/** Linux where users may have a name space of their own. */
function mayMount(): boolean {
  const [file, ...parameters] = OWN_MOUNTS;
  return spawnSync(file, [...parameters, "true"]).status === 0;
}

function fill(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

describe("files that are not ours", () => {
  test("an empty file becomes a queue", async () => {
    const path = newPath();
    writeFileSync(path, "");
    const driver = await openDriver({ path });
    expect(await driver.push([item()])).toEqual([{ status: "stored" }]);
  });

  test.each([
    ["tables of another program", "CREATE TABLE users (id INTEGER)"],
    ["another application id", "PRAGMA application_id = 252006674; CREATE TABLE fossil (id INTEGER)"],
    ["only a user_version", "PRAGMA user_version = 3"],
  ])("a file with %s is STORE_FOREIGN and stays as it is", async (_what, sql) => {
    const path = newPath();
    fill(path, sql);
    const found = await refusal(path);
    expect(found).toMatchObject({ code: "STORE_FOREIGN", retryable: false });
    expect(found.message).toContain(JSON.stringify(path));
    expect(found.message).toMatch(/file of its own/);
  });

  test("a layout of a newer release is STORE_NEWER", async () => {
    const path = newPath();
    await (await openDriver({ path })).close();
    fill(path, "PRAGMA user_version = 99");
    expect(await refusal(path)).toMatchObject({ code: "STORE_NEWER", message: expect.stringContaining("99") });
    fill(path, "PRAGMA user_version = 1; UPDATE jobferry_meta SET value = 98 WHERE key = 'version'");
    expect(await refusal(path)).toMatchObject({ code: "STORE_NEWER", message: expect.stringContaining("98") });
  });

  test("a file that is no database is STORE_CORRUPT", async () => {
    const path = newPath();
    writeFileSync(path, "this is a text file, and quite a bit longer than the head of a database is. ".repeat(40));
    expect(await refusal(path)).toMatchObject({ code: "STORE_CORRUPT", retryable: false });
  });

  test("a damaged database is STORE_CORRUPT when the damage is met, and says what to do", async () => {
    const path = newPath();
    const driver = await openDriver({ path });
    await driver.push(Array.from({ length: 200 }, () => item()));
    await driver.close();
    const bytes = readFileSync(path);
    bytes.fill(0x5a, 4096);
    writeFileSync(path, bytes);
    const found = await refusal(path);
    expect(found).toMatchObject({ code: "STORE_CORRUPT", retryable: false });
    expect(found.message).toMatch(/backup/);
  });
});

describe("files that cannot be written", () => {
  test("a folder that is not there", async () => {
    const path = join(newFolder(), "missing", "jobs.db");
    const driver = sqliteDriver({ path });
    const error: unknown = await driver.open(contextOf(virtualClock())).catch((thrown: unknown) => thrown);
    const message: unknown = expect.stringContaining(
      `Opening ${JSON.stringify(path)} failed. The database file cannot be opened.`,
    );
    expect(driver.classify(error)).toMatchObject({ code: "UNAVAILABLE", retryable: false, message });
    await driver.close();
  });

  test("create: false wants the file", async () => {
    const path = newPath();
    const driver = sqliteDriver({ path, create: false });
    await expect(driver.open(contextOf(virtualClock()))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(JSON.stringify(path)) as unknown,
    });
    expect(existsSync(path)).toBe(false);
    await (await openDriver({ path })).close();
    await openDriver({ path, create: false });
  });

  /** What opening the file fails with in a process of its own, which `command` starts. */
  function refusalIn(path: string, command: readonly string[], before = ""): unknown {
    const script = `
      import { sqliteDriver } from ${JSON.stringify(new URL("../../../src/drivers/sqlite/index.ts", import.meta.url).href)};
      import { silentLogger, systemClock } from ${JSON.stringify(new URL("../../../src/runtime/index.ts", import.meta.url).href)};
      ${before}
      const keep = { count: 1, ageMs: 1 };
      const driver = sqliteDriver({ path: ${JSON.stringify(path)} });
      const error = await driver.open({ clock: systemClock, logger: silentLogger, retention: { completed: keep, failed: keep } }).catch((e) => e);
      console.log(JSON.stringify(driver.classify(error)));`;
    const node = [process.execPath, "--input-type=module", "--disable-warning=ExperimentalWarning", "-e", script];
    const [file = "", ...parameters] = [...command, ...node];
    return JSON.parse(execFileSync(file, parameters).toString());
  }

  test.each(["DELETE", "WAL"])("a read-only file in mode %s is STORE_READ_ONLY", async (mode) => {
    const folder = join(newFolder(), "inner");
    mkdirSync(folder);
    const path = join(folder, "jobs.db");
    await (await openDriver({ path })).close();
    fill(path, `PRAGMA journal_mode = ${mode}`);
    chmodSync(path, 0o444);
    chmodSync(folder, 0o555);
    chmodSync(join(folder, ".."), 0o755);
    // root may write anything: the child gives its rights away first.
    const refused = refusalIn(path, [], "if (process.getuid() === 0) process.setuid(65534);");
    chmodSync(folder, 0o755);
    expect(refused).toMatchObject({ code: "STORE_READ_ONLY", retryable: false });
  });

  test.skipIf(!mayMount())("a file on a disk that is mounted read-only is STORE_READ_ONLY", async () => {
    const folder = newFolder();
    const path = join(folder, "jobs.db");
    await (await openDriver({ path })).close();
    const mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
    const refused = refusalIn(path, [...OWN_MOUNTS, "sh", "-c", mount, folder]);
    expect(refused).toMatchObject({ code: "STORE_READ_ONLY", retryable: false });
    const missing = refusalIn(join(folder, "new.db"), [...OWN_MOUNTS, "sh", "-c", mount, folder]);
    expect(missing).toMatchObject({ code: "STORE_READ_ONLY", retryable: false });
  });

  test("a full disk is STORE_FULL, stores nothing half, and goes on when there is room", async () => {
    const database = new DatabaseSync(":memory:");
    const driver = await openDriver({ database });
    await driver.push([item({ id: "before" })]);
    const pages = database.prepare("PRAGMA page_count").get() as { page_count: number };
    database.exec(`PRAGMA max_page_count = ${pages.page_count + 20}`);
    const batch = Array.from({ length: 100 }, () => item({ payload: new Uint8Array(4_000) }));
    const results = await driver.push(batch);
    expect(new Set(results.map(({ status }) => status))).toEqual(new Set(["failed"])); // and not thrown: nobody would know their fate
    expect(results.map((result) => codeOf(driver, result))).toEqual(batch.map(() => "STORE_FULL"));
    expect(await driver.stats()).toMatchObject({ pending: 1 });
    const small = item();
    expect(await driver.push([small])).toEqual([{ status: "stored" }]);
    database.exec("PRAGMA max_page_count = 100000");
    expect((await driver.push(batch)).every(({ status }) => status === "stored")).toBe(true);
    expect((await take(driver, 2)).map(({ job }) => job.id)).toEqual(["before", small.id]);
    await driver.close();
    database.close();
  });
});

test("a push on a full disk says that nothing is stored, and does not say that it may be", async () => {
  const database = new DatabaseSync(":memory:");
  const clock = virtualClock();
  const queue = new Queue<SqliteDatabase>(sqliteDriver({ database }), { clock, logger: silentLogger });
  await queue.open();
  const { page_count } = database.prepare("PRAGMA page_count").get() as { page_count: number };
  database.exec(`PRAGMA max_page_count = ${page_count}`);
  const pushed = queue.push(createJob("x".repeat(8_000))).catch((error: unknown) => error);
  await clock.advance("10s");
  const error = (await pushed) as JobferryError;
  expect(error).toMatchObject({ code: "STORE_FULL", retryable: true });
  expect(error.message).toContain("nothing was stored");
  expect(error.message).not.toContain("may be stored");
  await queue.close();
  database.close();
});

describe("options", () => {
  const refused = (options: object): unknown => {
    try {
      return sqliteDriver(options);
    } catch (error) {
      return error;
    }
  };

  test.each([
    [{}, /database is missing.*path of a file, ":memory:"/],
    [{ path: undefined }, /database is missing/],
    [{ path: "x.db", database: new DatabaseSync(":memory:") }, /Both path and database/],
    [{ database: 42 }, /database is 42; it must be the path of a file, or an open DatabaseSync/],
    [{ path: "x.db", durabilty: "power" }, /Did you mean "durability"/],
    [{ path: "x.db", durability: "quorum" }, /"serverCrash" or "power"/],
    [{ path: ":memory:", durability: "power" }, /in memory/],
    [{ path: "x.db", create: "yes" }, /true or false/],
    [{ path: "x.db", busyTimeout: "soon" }, /busyTimeout/],
    [{ path: "" }, /path/],
    [{ path: "a\0b" }, /path/],
    [{ database: {} }, /DatabaseSync/],
  ])("refuses %j", (options, message) => {
    const error = refused(options);
    expect(isJobferryError(error, "INVALID_ARGUMENT")).toBe(true);
    expect((error as Error).message).toMatch(message);
  });

  test("does not repeat a URL, which may hold a password", () => {
    const error = refused({ path: "postgres://app:hunter2@host/db" }) as Error;
    expect(error.message).toMatch(/plain path/);
    expect(error.message).not.toContain("hunter2");
  });
});
