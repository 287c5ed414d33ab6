import { expect, test } from "vitest";
import { Emitter } from "../../../src/core/index.ts";

type Events = { done: Readonly<{ n: number }>; other: string };

class Source extends Emitter<Events> {
  readonly reported: unknown[] = [];
  constructor() {
    super(["done", "other"]);
  }
  send(n: number): void {
    this.emit("done", { n }, (error) => void this.reported.push(error));
  }
  isHeard(event: keyof Events): boolean {
    return this.hears(event);
  }
}

test("listeners hear one object each, in the order in which they were added", () => {
  const source = new Source();
  const heard: string[] = [];
  source.on("done", ({ n }) => heard.push(`first ${n}`)).on("done", ({ n }) => heard.push(`second ${n}`));
  source.send(1);
  expect(heard).toEqual(["first 1", "second 1"]);
  expect([source.isHeard("done"), source.isHeard("other")]).toEqual([true, false]);
});

test("once hears once, also when it sends again itself; off takes out either kind", () => {
  const source = new Source();
  const heard: number[] = [];
  const listener = ({ n }: Events["done"]): void => {
    heard.push(n);
    if (n < 3) source.send(n + 1);
  };
  source.once("done", listener);
  source.send(1);
  expect(heard).toEqual([1]);
  source.once("done", listener).off("done", listener);
  source.on("done", listener).off("done", listener).off("done", listener);
  source.send(1);
  expect(heard).toEqual([1]);
  expect(source.isHeard("done")).toBe(false);
});

test("a listener that is added or removed while an event goes out changes the next one only", () => {
  const source = new Source();
  const heard: string[] = [];
  const late = (): void => void heard.push("late");
  source.on("done", () => source.on("done", late));
  source.send(1);
  expect(heard).toEqual([]);
  source.send(2);
  expect(heard).toEqual(["late"]);
});

test("what a listener throws or rejects is reported and stops nobody else", async () => {
  const source = new Source();
  const heard: number[] = [];
  source.on("done", () => {
    throw new Error("thrown");
  });
  source.on("done", async () => Promise.reject(new Error("rejected")));
  source.on("done", ({ n }) => heard.push(n));
  source.send(7);
  await new Promise(setImmediate);
  expect(heard).toEqual([7]);
  expect(source.reported.map(String)).toEqual(["Error: thrown", "Error: rejected"]);
});

test("what is no function is refused where it is added", () => {
  const source = new Source();
  expect(() => source.on("done", undefined as never)).toThrow("listener is undefined; it must be a function");
  expect(() => source.once("done", {} as never)).toThrow("listener is");
});

test("a listener of an event that does not exist is refused, with the nearest one", () => {
  const source = new Source();
  const misspelled = "dome" as "done";
  for (const add of [() => source.on(misspelled, () => 1), () => source.once(misspelled, () => 1)])
    expect(add).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining('did you mean "done"?') }),
    );
  expect(source.isHeard(misspelled)).toBe(false);
});
