import { expect } from "vitest";
import { createJob, type Queue } from "jobferry";

/** A queue needs all rights also to look: each process that opens one has a session. It says so at once, and changes nothing. */
export async function expectReadOnly(reader: Queue, writer: Queue, says: RegExp): Promise<void> {
  await writer.push(createJob("stays"));
  const denied = { code: "ACCESS_DENIED", retryable: false, message: expect.stringMatching(says) as unknown };
  const calls = [() => reader.open(), () => reader.push(createJob(1)), () => reader.pop(), () => reader.getStats()];
  for (const call of calls) await expect(call()).rejects.toMatchObject(denied);
  await reader.close();
  expect(await writer.getStats()).toMatchObject({ pendingJobs: 1, reservedJobs: 0 });
  expect((await writer.pop())?.payload).toBe("stays");
}
