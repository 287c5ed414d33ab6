/** Servers that take less than their defaults: small jobs go in smaller transactions, and only a job that is too large by itself is refused. */
import { expect, test } from "vitest";
import { createJob, type Queue, type ReservedJob } from "jobferry";
import type { ServerName } from "../../scripts/servers/registry.ts";
import { startServer } from "../servers/shared-server.ts";

const COUNT = 50;
/** On a server that has just started, and less than `pushTimeout`, 10 s: nothing waits for that. */
const SOON_MS = 8_000;
const jobs = (bytes: number) => Array.from({ length: COUNT }, () => createJob("x".repeat(bytes)));

async function taken(queue: Queue, count: number): Promise<readonly ReservedJob[]> {
  const held: ReservedJob[] = [];
  while (held.length < count) {
    const more = await queue.popBatch(count - held.length);
    if (more.length === 0) return held;
    held.push(...more);
  }
  return held;
}

type Low = Readonly<{
  server: ServerName;
  what: string;
  args: readonly string[];
  /** Where sizes are limited: beyond it. */
  tooLarge?: number;
  make: (url: string) => Queue;
}>;

export function provesLowLimits({ server, what, args, tooLarge, make }: Low): void {
  test(`${server} with ${what}: batches of small jobs are pushed, taken and ended`, async () => {
    await using own = await startServer(server, { args });
    const queue = await make(own.url).open();
    const began = performance.now();
    expect(await queue.pushBatch(jobs(300))).toHaveLength(COUNT);
    expect(performance.now() - began).toBeLessThan(SOON_MS);
    const held = await taken(queue, COUNT);
    expect(new Set(held.map(({ id }) => id)).size).toBe(COUNT);
    await Promise.all(held.map((job) => job.complete()));
    await queue.pushBatch(jobs(300));
    expect(await queue.clear()).toBe(COUNT);
    expect(await queue.getStats()).toMatchObject({ pendingJobs: 0, reservedJobs: 0, completedJobs: COUNT });
    await queue.close();
  });

  test.runIf(tooLarge !== undefined)(
    `${server} with ${what}: one job that is too large is told so soon, and holds up no other`,
    async () => {
      await using own = await startServer(server, { args });
      const queue = await make(own.url).open();
      const began = performance.now();
      const large = createJob("x".repeat(tooLarge ?? 0));
      const failed = await queue
        .pushBatch([...jobs(300).slice(0, 9), large, createJob("last")])
        .catch((error) => error);
      expect(failed).toMatchObject({
        retryable: false,
        cause: { code: "PAYLOAD_TOO_LARGE" },
        unconfirmed: [{ id: large.id }],
      });
      await Promise.all([
        expect(queue.push(createJob("x".repeat(tooLarge ?? 0)))).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" }),
        queue.push(createJob("small")),
      ]);
      expect(performance.now() - began).toBeLessThan(SOON_MS);
      expect(await queue.getStats()).toMatchObject({ pendingJobs: 11 });
      await queue.close();
    },
  );
}
