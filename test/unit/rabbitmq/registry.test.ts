import { expect, test } from "vitest";
import type { AmqpChannel } from "../../../src/drivers/rabbitmq/client.ts";
import type { Connection } from "../../../src/drivers/rabbitmq/connection.ts";
import { classify } from "../../../src/drivers/rabbitmq/errors.ts";
import type { Publishing } from "../../../src/drivers/rabbitmq/publishing.ts";
import { Registry } from "../../../src/drivers/rabbitmq/registry.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";

const refusal = (text: string) =>
  Object.assign(new Error(`Operation failed: BasicConsume; 406 (PRECONDITION-FAILED) with message "${text}"`), {
    code: 406,
  });

const WORDS = [
  "PRECONDITION_FAILED - queue 'queue 'a.queues' in vhost '/'' does not have a replica on the local node",
  "PRECONDITION_FAILED - stream queue 'a.queues' in vhost '/' does not have a running replica on the local node",
];

function stage(error: Error) {
  const clock = virtualClock();
  const closing = new AbortController();
  let reads = 0;
  const connection = {
    ask: () => Promise.resolve(),
    onChannel: async (_what: string, _talk: (channel: AmqpChannel) => Promise<unknown>) => {
      reads += 1;
      throw error;
    },
  } as unknown as Connection;
  const registry = new Registry("a.queues", clock, {} as Publishing, closing.signal);
  const ended = registry.read(connection).then(
    () => undefined,
    (seen: unknown) => seen,
  );
  return { clock, closing, ended, reads: () => reads };
}

test.each(WORDS)("a node that stays without a member: told after 5 s, with the way out (%s)", async (words) => {
  const { clock, ended, reads } = stage(refusal(words));
  await clock.advance(4_999);
  expect(reads()).toBe(100);
  await clock.advance(51);
  expect(classify(await ended, "amqp://here")).toMatchObject({
    code: "UNAVAILABLE",
    retryable: true,
    message: expect.stringContaining("rabbitmq-streams add_replica"),
  });
});

test("two that read at once in one process have the lock once: what one gave back and another process took is not given back again", async () => {
  const asked: string[] = [];
  const channel = {
    assertQueue: async (name: string) => void asked.push(`make ${name}`),
    deleteQueue: async (name: string) => void asked.push(`drop ${name}`),
  } as unknown as AmqpChannel;
  const connection = {
    ask: (_what: string, question: (channel: AmqpChannel) => Promise<unknown>) => question(channel),
    onChannel: async () => [],
  } as unknown as Connection;
  const registry = new Registry("a.queues", virtualClock(), {} as Publishing, new AbortController().signal);
  await Promise.all([registry.read(connection), registry.read(connection)]);
  expect(asked).toEqual(["make a.queues.lock", "make a.queues", "drop a.queues.lock"]);
});

test("closing does not wait for a member, and what else is refused is told at once", async () => {
  const closed = stage(refusal(WORDS[0] ?? ""));
  await closed.clock.advance(100);
  closed.closing.abort();
  expect(await closed.ended).toMatchObject({ code: 406 });

  const foreign = stage(refusal("PRECONDITION_FAILED - inequivalent arg 'x' for queue 'a.queues' in vhost '/'"));
  expect(classify(await foreign.ended, undefined)).toMatchObject({ code: "STORE_FOREIGN" });
  expect(foreign.reads()).toBe(1);
});
