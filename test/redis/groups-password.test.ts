/** Sentinel and Cluster whose servers want a password: the right one serves every connection to them, a wrong one and none are told at once, without it. */
import { inspect } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { createJob } from "jobferry";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { openError, queueOn } from "./stage.ts";

const RIGHT = "r1ght-word";
const WRONG = "wr0ng-word";
const LIBRARIES = ["ioredis", "redis"] as const;
/** It is told as soon as it is known: the test would end before the time for opening does, and before the time after which the sentinel client of redis gives up by itself. */
const AT_ONCE = { connectTimeout: "10m" } as const;
const TEST_MS = 14_000;

for (const [kind, partitions] of [
  ["redis-sentinel", 1],
  ["redis-cluster", 3],
] as const) {
  describe.runIf(await isServerAvailable(kind))(`a password on ${kind}`, async () => {
    const server = await startServer(kind, { password: RIGHT });
    afterAll(() => server.remove());
    const at = (login: string): string => server.url.replace("://", `://${login}@`);

    describe.each(LIBRARIES)("with %s", (library) => {
      it("the right one: pushes that wait for a replica, waits, claims and finishes", async () => {
        await using queue = queueOn(at(`:${RIGHT}`), { library, partitions, replicas: 1 });
        const waiting = queue.pop({ wait: "20s" });
        await queue.push(createJob("woken"));
        const job = await waiting;
        expect(job?.payload).toBe("woken");
        await job?.complete();
        expect(await queue.getStats()).toMatchObject({ completedJobs: 1 });
      });

      it.each([
        ["a wrong one", `:${WRONG}`],
        ["a user that there is not", `nobody:${WRONG}`],
      ])("%s", { timeout: TEST_MS }, async (_, login) => {
        const error = await openError(at(login), { library, ...AT_ONCE });
        expect(error).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
        expect(error.message).toContain("refused the user name or password");
        expect(inspect(error, { depth: 10 })).not.toContain(WRONG);
      });

      it("none", { timeout: TEST_MS }, async () => {
        const error = await openError(server.url, { library, ...AT_ONCE });
        expect(error).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
        expect(error.message).toContain("wants a password");
      });
    });
  });
}
