/** Random orders of ends against a channel that keeps account: each message is settled once, and few commands are needed. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { Acknowledging } from "../../src/drivers/rabbitmq/acknowledging.ts";
import type { AmqpChannel, AmqpMessage } from "../../src/drivers/rabbitmq/index.ts";

class Account {
  readonly open = new Set<number>();
  commands = 0;

  constructor(count: number) {
    for (let tag = 1; tag <= count; tag += 1) this.open.add(tag);
  }

  ack({ fields: { deliveryTag } }: AmqpMessage, allUpTo = false): void {
    this.commands += 1;
    // The server closes the channel for a tag that it does not know.
    if (!this.open.delete(deliveryTag)) throw new Error(`unknown delivery tag ${deliveryTag}`);
    if (allUpTo) for (const tag of this.open) if (tag < deliveryTag) this.open.delete(tag);
  }

  nack(message: AmqpMessage): void {
    this.ack(message);
  }
}

const messageOf = (deliveryTag: number): AmqpMessage => ({
  content: new Uint8Array(),
  fields: { deliveryTag },
  properties: {},
});
const batches = fc
  .shuffledSubarray(
    Array.from({ length: 30 }, (_, i) => i + 1),
    { minLength: 1 },
  )
  .chain((tags) =>
    fc.tuple(fc.constant(tags), fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 30 })),
  );

it("settles what it is told and nothing else", () => {
  fc.assert(
    fc.property(batches, fc.nat(6), ([tags, sizes], rejects) => {
      const account = new Account(30);
      const acknowledging = new Acknowledging(account as unknown as AmqpChannel);
      const wanted = new Set(Array.from({ length: 30 }, (_, i) => i + 1));
      const rest = [...tags];
      for (const size of sizes) {
        const batch = rest.splice(0, size);
        if (size === rejects) for (const tag of batch) acknowledging.reject(messageOf(tag));
        else acknowledging.acknowledge(batch.map(messageOf));
        for (const tag of batch) wanted.delete(tag);
        expect([...account.open].toSorted((a, b) => a - b)).toEqual([...wanted]);
      }
    }),
  );
});

it("a batch in order is one command", () => {
  const account = new Account(1_000);
  const acknowledging = new Acknowledging(account as unknown as AmqpChannel);
  for (let from = 1; from <= 1_000; from += 100)
    acknowledging.acknowledge(Array.from({ length: 100 }, (_, i) => messageOf(from + i)));
  expect([account.open.size, account.commands]).toEqual([0, 10]);
});
