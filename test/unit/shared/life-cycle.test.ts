import { expect, test } from "vitest";
import { LifeCycle } from "../../../src/drivers/shared/life-cycle.ts";
import { isJobferryError } from "../../../src/errors/index.ts";
import { Deferred } from "../../../src/runtime/index.ts";

const life = (): LifeCycle<string> => new LifeCycle("test store");
const CLOSED = { code: "CLOSED", message: "The test store is closed. Make another one." };

function codeOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return isJobferryError(error) ? error.code : "none of ours";
  }
}

test("before it is open, what is opened is NOT_OPEN", async () => {
  const one = life();
  const opening = new Deferred<string>();
  const notOpen = { code: "NOT_OPEN", message: "The test store is not open. Call open() first." };
  expect(() => one.opened).toThrow(expect.objectContaining(notOpen));
  const open = one.open(() => opening.promise);
  expect(() => one.opened).toThrow(expect.objectContaining(notOpen));
  opening.resolve("here");
  expect(await open).toBe("here");
  expect(one.opened).toBe("here");
});

test("calls of open share one opening, and later ones get what it gave", async () => {
  const one = life();
  let begun = 0;
  const begin = async (): Promise<string> => `opening ${(begun += 1)}`;
  expect(await Promise.all([one.open(begin), one.open(begin)])).toEqual(["opening 1", "opening 1"]);
  expect(await one.open(begin)).toBe("opening 1");
});

test("an opening that failed is told to all who wait for it, and the next call tries again", async () => {
  const one = life();
  const failing = (): Promise<string> => Promise.reject(new Error("away"));
  const both = await Promise.allSettled([one.open(failing), one.open(failing)]);
  expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(() => one.opened).toThrow(expect.objectContaining({ code: "NOT_OPEN" }));
  expect(await one.open(async () => "here")).toBe("here");
});

test("close ends once what was opened; then everything is CLOSED", async () => {
  const one = life();
  await one.open(async () => "here");
  const ended: unknown[] = [];
  const end = (opened: string | undefined): void => void ended.push(opened);
  const heard: unknown[] = [];
  one.closed.addEventListener("abort", () =>
    heard.push(
      ended.length,
      codeOf(() => one.opened),
    ),
  );
  const closing = one.close(end);
  expect(heard, "told before anything ends, and when nothing is open any more").toEqual([0, "CLOSED"]);
  expect(one.close(end)).toBe(closing);
  await closing;
  expect(ended).toEqual(["here"]);
  expect(() => one.opened).toThrow(expect.objectContaining(CLOSED));
  await expect(one.open(async () => "again")).rejects.toMatchObject(CLOSED);
});

test("close waits for an opening on its way, and ends what it gave", async () => {
  const one = life();
  const opening = new Deferred<string>();
  const ended: unknown[] = [];
  let told: AbortSignal | undefined;
  const open = one.open((closed) => {
    told = closed;
    return opening.promise;
  });
  const closing = one.close((opened) => void ended.push(opened));
  expect(told?.aborted).toBe(true);
  await Promise.resolve();
  expect(ended).toEqual([]);
  opening.resolve("late");
  await Promise.all([open, closing]);
  expect(ended).toEqual(["late"]);
});

test("close has nothing to end when the opening fails, or none was begun", async () => {
  const ended: unknown[] = [];
  const never = life();
  await never.close((opened) => void ended.push(opened));
  const failing = life();
  const open = failing.open(() => Promise.reject(new Error("away")));
  await Promise.allSettled([open, failing.close((opened) => void ended.push(opened))]);
  expect(ended).toEqual([undefined, undefined]);
});

test("what fails at the end is told to everybody who closes", async () => {
  const one = life();
  const failing = (): never => {
    throw new Error("stuck");
  };
  await expect(one.close(failing)).rejects.toThrow("stuck");
  await expect(one.close(() => undefined)).rejects.toThrow("stuck");
});
