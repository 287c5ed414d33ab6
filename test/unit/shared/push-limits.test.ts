import { expect, test } from "vitest";
import type { PushItem } from "../../../src/contract/index.ts";
import { faultOf } from "../../../src/drivers/shared/push-limits.ts";
import { MAX_DURATION_MS } from "../../../src/runtime/index.ts";
import { itemOf } from "../memory/items.ts";

const LIMITS = { title: "Test", payloadBytes: 10, priority: 5 };
const NOW = 1_000;
const fault = (change: Partial<PushItem>): Error | undefined => faultOf(itemOf({ id: "a", ...change }), NOW, LIMITS);

test.each<readonly [string, Partial<PushItem>]>([
  ["a payload of just the size", { payload: new Uint8Array(10) }],
  ["a priority at either end", { priority: 5 }],
  ["a priority at the other end", { priority: -5 }],
  ["the longest delay", { delayMs: MAX_DURATION_MS }],
  ["a time at the longest delay", { runAt: NOW + MAX_DURATION_MS }],
])("takes %s", (_name, change) => {
  expect(fault({ payload: new Uint8Array(), ...change })).toBeUndefined();
});

test.each<readonly [string, Partial<PushItem>, string, string]>([
  [
    "a payload that is too large",
    { payload: new Uint8Array(11) },
    "PAYLOAD_TOO_LARGE",
    "11 bytes; Test queues take at most 10",
  ],
  [
    "a priority above the limit",
    { priority: 6 },
    "UNSUPPORTED",
    "priority is 6; Test queues take integers from -5 to 5",
  ],
  ["a priority below it", { priority: -6 }, "UNSUPPORTED", "priority is -6"],
  ["a priority that is no number", { priority: NaN }, "UNSUPPORTED", "priority is NaN"],
  ["a delay that is too long", { delayMs: MAX_DURATION_MS + 1 }, "UNSUPPORTED", "longer than 100 years"],
  ["a delay that is no number", { delayMs: NaN }, "UNSUPPORTED", "longer than 100 years"],
  ["a time that is too far", { runAt: NOW + MAX_DURATION_MS + 1 }, "UNSUPPORTED", "longer than 100 years"],
])("refuses %s", (_name, change, code, message) => {
  const error = fault({ payload: new Uint8Array(), ...change });
  expect(error).toMatchObject({ code });
  expect(error?.message).toContain(message);
});

test("text that must be short enough is not encoded to know", () => {
  const item = Object.defineProperty({ ...itemOf({ id: "a" }), payloadText: "abc" }, "payload", {
    get: () => expect.unreachable("the payload was encoded"),
  });
  expect(faultOf(item, NOW, LIMITS)).toBeUndefined();
});

test("text that may be too long is measured in bytes", () => {
  expect(fault({ payloadText: "aaaa", payload: new Uint8Array(4) })).toBeUndefined();
  expect(fault({ payloadText: "\u65e5\u672c\u8a9e\u65e5", payload: new Uint8Array(12) })).toMatchObject({
    code: "PAYLOAD_TOO_LARGE",
  });
});
