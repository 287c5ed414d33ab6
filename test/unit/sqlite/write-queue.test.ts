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
  const note = (text: string) => ({ run: () => log.push(text) });
  const tx = {
    sql: { begin: { run: begin }, commit: note("COMMIT"), rollback: note("ROLLBACK") },
    ...{ start: () => undefined, settle: () => undefined, end: () => undefined, forget: () => undefined },
  };
  const database = { isTransaction: false };
  const hooks = { beforeWrite: () => undefined, committed: () => undefined };
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
  return { clock, log, submit };
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
