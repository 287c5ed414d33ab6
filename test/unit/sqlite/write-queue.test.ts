import { expect, test } from "vitest";
import { WriteQueue } from "../../../src/drivers/sqlite/write-queue.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

/** A connection whose `n`th BEGIN (from 1) finds the lock taken. */
function queueOn(lockedAt: number) {
  const clock = virtualClock();
  const log: string[] = [];
  let begun = 0;
  const begin = (): void => {
    begun += 1;
    if (begun === lockedAt) throw Object.assign(new Error("database is locked"), { errcode: 5 });
    log.push("BEGIN");
  };
  const note = (text: string) => ({ run: () => log.push(text), get: () => log.push(text) });
  const tx = {
    sql: { begin: { get: begin }, commit: note("COMMIT"), rollback: note("ROLLBACK") },
    ...{ isRunning: false, settle: () => undefined, forget: () => (tx.isRunning = false) },
    ...{ start: () => (tx.isRunning = true), end: () => (tx.isRunning = false) },
  };
  const database = { isTransaction: false };
  /** As on a disk that fails: a transaction is open, and cannot be ended. */
  const failRollback = (): void => {
    database.isTransaction = true;
    tx.sql.rollback.run = () => {
      database.isTransaction = false;
      throw Object.assign(new Error("disk I/O error"), { errcode: 10 });
    };
  };
  const behind: (() => void)[] = [];
  const hooks = { beforeWrite: () => undefined, committed: () => behind.splice(0).forEach((submit) => submit()) };
  const writes = new WriteQueue(database as never, tx as never, clock, 5_000, hooks);
  const submit = (name: string, fails = false): Promise<string> =>
    writes.submit({
      ...{ rows: 1, bytes: 0 },
      run: () => {
        log.push(name);
        if (fails) throw new Error(`${name} failed`);
        return name;
      },
    });
  /** Locked while `locked` is above 0. */
  const submitBare = (name: string, locked = 0): Promise<string> => {
    let left = locked;
    return writes.submit({
      ...{ rows: 1, bytes: 0, isOneStatement: () => true },
      run: () => {
        left -= 1;
        if (left >= 0) throw Object.assign(new Error("database is locked"), { errcode: 5 });
        log.push(name);
        return name;
      },
    });
  };
  return { behind, clock, failRollback, log, submit, submitBare, tx, writes };
}

test("a call that fails takes no other with it, and those go on in their own transactions though the lock is taken meanwhile", async () => {
  const { clock, log, submit } = queueOn(3);
  const answers = Promise.allSettled([submit("one"), submit("two", true), submit("three")]);
  await clock.advance("1s");
  expect(await answers).toEqual([
    { status: "fulfilled", value: "one" },
    { status: "rejected", reason: new Error("two failed") },
    { status: "fulfilled", value: "three" },
  ]);
  expect(log.join(" ")).toBe("BEGIN one two BEGIN one COMMIT BEGIN two BEGIN three COMMIT");
});

test("a call of one statement runs without a transaction around it when it is alone, and again when it found the lock taken", async () => {
  const { clock, log, submit, submitBare } = queueOn(0);
  expect(await submitBare("alone")).toBe("alone");
  const locked = submitBare("locked", 2);
  await clock.advance("1s");
  expect(await locked).toBe("locked");
  const both = [submitBare("first"), submit("second")];
  expect(await Promise.all(both)).toEqual(["first", "second"]);
  expect(log.join(" ")).toBe("alone locked BEGIN first second COMMIT");
});

test("what its commit wakes is written behind it, in a transaction", async () => {
  const { behind, log, submit, submitBare } = queueOn(0);
  const woken: Promise<string>[] = [];
  behind.push(() => woken.push(submit("woken")));
  expect(await submitBare("alone")).toBe("alone");
  expect(await Promise.all(woken)).toEqual(["woken"]);
  expect(log.join(" ")).toBe("alone BEGIN woken COMMIT");
});

test("one that fails is told so, and the next goes on", async () => {
  const { log, submit, tx, writes } = queueOn(0);
  const failing = writes.submit({
    ...{ rows: 1, bytes: 0, isOneStatement: () => true },
    run: () => {
      throw Object.assign(new Error("database or disk is full"), { errcode: 13 });
    },
  });
  await expect(failing).rejects.toThrow("is full");
  expect(tx.isRunning).toBe(false);
  expect(await submit("next")).toBe("next");
  expect(log.join(" ")).toBe("BEGIN next COMMIT");
});

test("a transaction that cannot be rolled back either: what failed first is told, and the next goes on", async () => {
  const { failRollback, log, submit, writes } = queueOn(0);
  const failing = writes.submit({
    ...{ rows: 1, bytes: 0 },
    run: () => {
      failRollback();
      throw new Error("it failed first");
    },
  });
  await expect(failing).rejects.toThrow("it failed first");
  expect(await submit("next")).toBe("next");
  expect(log.join(" ")).toBe("BEGIN BEGIN next COMMIT");
});
