/** What users of a cluster get without naming a queue: their jobs are in the cluster's own store. */
import { expect, test } from "vitest";
import { type Cluster, createJob, DistributedQueue } from "jobferry";

/** `node` makes a node of one and the same cluster, with a store that is its alone. */
export function keepsJobsInItsStore(node: (nodeId: string) => Cluster): void {
  test("a DistributedQueue keeps its jobs in its cluster's store, where another node finds them", async () => {
    const ran: unknown[] = [];
    const handler = (by: string) => (job: Readonly<{ payload: unknown }>) => void ran.push([by, job.payload]);
    const first = new DistributedQueue({ cluster: node("a"), handler: handler("a"), workerCount: 1 });
    await first.start();
    await first.stop();
    const second = new DistributedQueue({ cluster: node("b"), handler: handler("b"), workerCount: 1 });
    await second.start();
    const third = new DistributedQueue({ cluster: node("c"), handler: handler("c"), workerCount: 1 });
    await third.push(createJob("hello"));
    await expect.poll(() => ran, { timeout: 20_000 }).toEqual([["b", "hello"]]);
    expect(await second.queue.size()).toBe(0);
    await third.stop();
    await second.stop();
  });
}
