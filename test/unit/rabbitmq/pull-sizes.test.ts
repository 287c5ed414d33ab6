import { expect, test } from "vitest";
import { PullSizes } from "../../../src/drivers/rabbitmq/pull-sizes.ts";

test("a queue that nobody has looked at yet is pulled for free slots only", () => {
  const sizes = new PullSizes();
  expect([sizes.most("work", 5), sizes.most("work", 0), sizes.most("work", -1)]).toEqual([5, 0, 0]);
});

test("each pull without a loss allows four times as many, of that queue alone", () => {
  const sizes = new PullSizes();
  sizes.took("work", 5, false);
  expect([sizes.most("work", 0), sizes.most("mails", 0)]).toEqual([20, 0]);
  sizes.took("work", 20, false);
  expect(sizes.most("work", 0)).toBe(80);
  sizes.took("work", 1, false);
  expect(sizes.most("work", 0)).toBe(80);
});

test("a job with losses brings it back to free slots", () => {
  const sizes = new PullSizes();
  sizes.took("work", 50, false);
  sizes.took("work", 50, true);
  expect([sizes.most("work", 5), sizes.most("work", 0)]).toEqual([5, 0]);
});
