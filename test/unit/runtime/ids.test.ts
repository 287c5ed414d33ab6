import { expect, test } from "vitest";
import { idOfSequence, nextSequence, sequenceOfId } from "../../../src/runtime/index.ts";

test("ids of this process are numbers and back", () => {
  const first = nextSequence();
  const second = nextSequence();
  expect(second).toBe(first + 1);
  expect(idOfSequence(first)).not.toBe(idOfSequence(second));
  expect(sequenceOfId(idOfSequence(second))).toBe(second);
});

test("other texts are no ids of this process", () => {
  const id = idOfSequence(nextSequence());
  const prefix = id.slice(0, 18);
  for (const text of [
    "",
    "order-7",
    prefix,
    `${prefix}0`,
    `${prefix}-1`,
    `${prefix}01`,
    `${id} `,
    `x${id}`,
    `${prefix}zzzzzz`,
    id.toUpperCase(),
  ])
    expect(sequenceOfId(text), text).toBeUndefined();
});
