/** Two processes of one store, of which one keeps what ended and the other does not. */
import { expect } from "vitest";
import type { Driver } from "../../src/contract/index.ts";
import { createJob, type Queue } from "../../src/entry/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";

const NONE = { count: 0, ageMs: Infinity };

/** `keeping`: with `keepCompleted: true`. `none`: another driver of the same store, not open. */
export async function leavesWhatOthersKeep(keeping: Queue, none: Driver<never>): Promise<void> {
  try {
    await keeping.push(createJob("done", { id: "order-7" }));
    await (await keeping.pop({ wait: "5s" }))?.complete();
    await keeping.push(createJob("failed", { id: "order-8" }));
    await (await keeping.pop({ wait: "5s" }))?.fail(new Error("no"));
    await none.open({ clock: systemClock, logger: silentLogger, retention: { completed: NONE, failed: NONE } });
    await none.maintain({ max: 100 });
    const states = [await keeping.records.get("order-7"), await keeping.records.get("order-8")];
    expect(states.map((job) => job?.state)).toEqual(["completed", "failed"]);
    await keeping.push(createJob("done again", { id: "order-7" }));
    expect(await keeping.size()).toBe(0);
  } finally {
    await Promise.all([keeping.close(), none.close()]);
  }
}
