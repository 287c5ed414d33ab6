import { expect, it } from "vitest";
import type { AmqpMessage } from "../../../src/drivers/rabbitmq/index.ts";
import { encode, messageIdOf, parcelOf, read } from "../../../src/drivers/rabbitmq/message.ts";
import type { Parcel } from "../../../src/drivers/rabbitmq/message.ts";

const CREATED = 1_790_000_000_000;
const BARE = {
  ...{ id: "019a7d6e-0000-7000-8000-000000000001", sequence: undefined, queue: "default", name: "default" },
  ...{ priority: 0, tags: {}, delayMs: 0, runAt: undefined, maxLosses: 3, createdAt: CREATED },
  ...{ envelope: Uint8Array.of(1, 0), payload: new TextEncoder().encode('{"i":1}') },
};

/** As the server gives it back. */
function delivered(parcel: Parcel, properties: AmqpMessage["properties"] = {}): AmqpMessage {
  const messageId = messageIdOf(parcel.fields.id);
  return { content: encode(parcel), fields: { deliveryTag: 1 }, properties: { messageId, ...properties } };
}

it("a plain job costs at most 60 bytes of body beside its payload and its envelope", () => {
  const parcel = parcelOf(BARE, CREATED + 3);
  expect(encode(parcel).length - BARE.payload.length - BARE.envelope.length).toBeLessThanOrEqual(60);
  expect(read(delivered(parcel), "default", CREATED)).toEqual(parcel);
});

it.each([
  ["everything set", BARE.id],
  ["an id that does not fit into message_id", "x".repeat(300)],
  ["an id that UTF-8 would change", "a\ud800b"],
  ["an id of 255 bytes in 85 signs", "任".repeat(85)],
  ["an id of 258 bytes in 86 signs", "任".repeat(86)],
])("%s: it is read as it was written", (_, id) => {
  const job = { ...BARE, id, queue: "other", name: "mail", priority: 7, tags: { a: "b" }, maxLosses: 1 };
  const { fields, ...rest } = parcelOf(job, CREATED - 5);
  const failure = { code: "FAILED", name: "Error", message: "no", stack: "at a" };
  const counts = { attempts: 4, losses: 2, exceptions: 1, finishedAt: CREATED + 9, failure };
  const parcel = { ...rest, fields: { ...fields, ...counts } };
  expect(read(delivered(parcel), "elsewhere", 0)).toEqual(parcel);
});

it("the server's count is added, and a name that somebody dropped is made up", () => {
  const parcel = parcelOf(BARE, CREATED);
  const { fields } = read(delivered(parcel, { headers: { "x-delivery-count": 2 }, messageId: undefined }), "q", 0);
  expect(fields).toEqual({ ...parcel.fields, attempts: 2, losses: 2, id: fields.id });
  expect(fields.id).toMatch(/^foreign-[0-9a-f-]{36}$/);
});
