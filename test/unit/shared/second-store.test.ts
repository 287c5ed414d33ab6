// What a broker's users are told of the store behind it that keeps failed jobs: a locked SQLite file is no error of the broker.
import { DatabaseSync } from "node:sqlite";
import { expect, it, onTestFinished } from "vitest";
import type { StoredJob } from "../../../src/contract/index.ts";
import { SecondStore } from "../../../src/drivers/shared/second-store.ts";
import { sqliteDriver } from "../../../src/drivers/sqlite/index.ts";
import { silentLogger, systemClock } from "../../../src/runtime/index.ts";
import { KEEP_ALL, KEEP_NONE, newPath } from "../sqlite/setup.ts";

const JOB: StoredJob = {
  ...{ item: undefined, id: "one", queue: "mails", name: "x", priority: 0, tags: {}, createdAt: 1, availableAt: 1 },
  ...{ envelope: new Uint8Array(), payload: new Uint8Array(), state: "failed", attempts: 1, losses: 0, exceptions: 1 },
  ...{ reservedAt: undefined, failure: undefined, finishedAt: 2, result: undefined },
};

it("a locked file is told with the code of SQLite and its name, by every call that writes", async () => {
  const path = newPath();
  const driver = sqliteDriver({ path, busyTimeout: "20ms" });
  onTestFinished(() => driver.close());
  const retention = { completed: KEEP_NONE, failed: KEEP_ALL };
  const open = () => driver.open({ clock: systemClock, logger: silentLogger, retention });
  const store = new SecondStore(
    { driver, open },
    "broker",
    () => Promise.resolve([]),
    () => 0,
    () => Promise.resolve(),
  );
  await store.open();
  expect(await store.fail([{ job: JOB, maxLosses: 3 }])).toEqual([true]);
  expect(await store.later([{ job: { ...JOB, id: "two" }, maxLosses: 3 }], () => 0)).toEqual([true]);
  expect(await store.counts("mails")).toEqual({ failed: 1, delayed: 1 });

  const other = new DatabaseSync(path);
  onTestFinished(() => other.close());
  other.exec("BEGIN IMMEDIATE");
  const calls = {
    upkeep: () => store.promoteDue(10),
    clear: () => store.clear("mails"),
    remove: () => store.remove(["one"]),
    retry: () => store.retry(["one"]),
  };
  for (const [what, call] of Object.entries(calls)) {
    const error = await call().then(
      () => what,
      (thrown: unknown) => thrown,
    );
    expect(error, what).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(String(error)).toMatch(/The store of records \(sqlite\) failed: The database file stayed locked/);
  }
});
