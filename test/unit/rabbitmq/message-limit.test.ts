import { expect, test } from "vitest";
import { MessageLimit, overLimit, toldLimit } from "../../../src/drivers/rabbitmq/message-limit.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

const CLOSED = "Channel closed by server: 406 (PRECONDITION-FAILED) with message";

test("what the server told holds for a minute: then one may try, because the server may take more by then", async () => {
  const clock = virtualClock();
  const limit = new MessageLimit(clock);
  expect([limit.bytes, limit.pushBytes]).toEqual([Infinity, Infinity]);
  limit.told(1_000_000);
  await clock.advance(59_999);
  expect([limit.bytes, limit.pushBytes]).toEqual([1_000_000, 1_000_000 - 65_536]);
  await clock.advance(1);
  expect([limit.bytes, limit.pushBytes]).toEqual([Infinity, Infinity]);
  limit.told(100_000);
  expect(limit.pushBytes, "half of a small one").toBe(50_000);
});

test.each([
  ["message size 5 is larger than configured max size 4", 406, 4],
  ["message size 5 is larger than max size 4", 406, 4],
  ["message size 5 is larger than max size 4", 404, undefined],
  ["inequivalent arg 'x' for queue 'message size'", 406, undefined],
])("of %s (%i) it is told %s", (text, code, told) => {
  const error = Object.assign(new Error(`${CLOSED} "PRECONDITION_FAILED - ${text}"`), { code });
  expect(toldLimit(error)).toBe(told);
  expect(toldLimit(undefined)).toBeUndefined();
});

test("the way out is one that is there", () => {
  expect(overLimit(2_000_000, 1_000_000).message).toContain("Set the option maxMessageBytes to 1000000");
  expect(overLimit(990_000, 1_000_000, 934_464).message).toContain("of which a job leaves 65536 for its failure");
  const small = overLimit(2_000, 1_000).message;
  expect(small).not.toContain("maxMessageBytes");
  expect(small).toContain("raise max_message_size");
});
