import { describe, expect, test } from "vitest";
import { createJob, type ReservedJob } from "jobferry";
import { zookeeperQueue } from "jobferry/zookeeper";
import { silentLogger } from "../../src/runtime/index.ts";
import { provesLowLimits } from "../conformance/low-limits.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";

for (const server of ["zookeeper", "zookeeper-3.8"] as const)
  describe.runIf(await isServerAvailable(server))(`${server} with low limits`, () => {
    provesLowLimits({
      server,
      what: "jute.maxbuffer 20000",
      args: ["-Djute.maxbuffer=20000"],
      tooLarge: 30_000,
      make: (url) => zookeeperQueue(url, { logger: silentLogger }),
    });
  });

describe.runIf(await isServerAvailable("zookeeper"))("zookeeper with jute.maxbuffer 500000", () => {
  test("a job that was stored is taken and pushed again also where the limit that was found is below it", async () => {
    await using own = await startServer("zookeeper", { args: ["-Djute.maxbuffer=500000"] });
    const queue = await zookeeperQueue(own.url, { logger: silentLogger }).open();
    const large = createJob("x".repeat(498_500));
    await queue.push(large);
    // Together more than the server takes: the limit is found, to a sixteenth.
    await queue.pushBatch(Array.from({ length: 60 }, () => createJob("y".repeat(15_000))));
    const held: ReservedJob[] = [];
    for (let more = await queue.popBatch(61); more.length > 0; more = await queue.popBatch(61)) held.push(...more);
    expect(held).toHaveLength(61);
    expect(held.map(({ id }) => id)).toContain(large.id);
    await queue.push(createJob("x".repeat(498_500)));
    await expect(queue.push(createJob("x".repeat(520_000)))).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    await Promise.all(held.map((job) => job.complete()));
    expect(await queue.getStats()).toMatchObject({ completedJobs: 61, pendingJobs: 1 });
    await queue.close();
  });
});
