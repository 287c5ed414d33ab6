// An etcd that has reached its quota: what a queue on it still does, and how its operator makes room (docs/backends/etcd.md).
import { expect, test } from "vitest";
import { createJob, type Queue } from "jobferry";
import { etcdQueue } from "jobferry/etcd";
import { silentLogger } from "../../src/runtime/index.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { etcdctl, failureOf } from "./stage.ts";

const large = () => createJob("x".repeat(200_000));

/** With history: of jobs that came and went. */
async function fill(queue: Queue): Promise<void> {
  for (;;) {
    await queue.push(large());
    await queue.clear("default");
  }
}

test.runIf((await isServerAvailable("etcd")) && (await isServerAvailable("etcd-3.4")))(
  "a full etcd stands still for pops and clear, too, until it was compacted, defragmented and its alarm disarmed",
  async () => {
    await using full = await startServer("etcd", { args: ["--quota-backend-bytes", "4000000"] });
    const open = (): Queue => etcdQueue(full.url, { logger: silentLogger, pushTimeout: "2s" });
    const queue = await open().open();
    await queue.pushBatch([createJob("a", { queue: "kept" }), createJob("b", { queue: "kept" })]);
    const isFull = { code: "STORE_FULL", retryable: true };
    expect(await failureOf(fill(queue))).toMatchObject(isFull);
    expect(await failureOf(queue.clear("kept"))).toMatchObject(isFull);
    expect(await failureOf(queue.pop({ queue: "kept" }))).toMatchObject(isFull);
    const late = open();
    expect(await failureOf(late.open())).toMatchObject(isFull);
    await late.close();
    expect(await queue.getStats("kept")).toMatchObject({ pendingJobs: 2 });

    const [status] = JSON.parse(await etcdctl(full, "endpoint", "status", "--write-out=json")) as readonly Status[];
    await etcdctl(full, "compact", String(status?.Status.header.revision));
    await etcdctl(full, "defrag");
    await etcdctl(full, "alarm", "disarm");

    await (await queue.pop({ queue: "kept" }))?.complete();
    expect(await queue.clear("kept")).toBe(1);
    await queue.close();
  },
);
type Status = Readonly<{ Status: Readonly<{ header: Readonly<{ revision: number }> }> }>;
