/** The agent through which a process speaks leaves in good order, as with each planned restart of its machine: what the process holds is its own until its time is over. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createJob } from "jobferry";
import { consulCluster, consulQueue } from "jobferry/consul";
import { consulRequest, isConsulLeader } from "../../scripts/servers/consul-request.ts";
import type { RunningServer } from "../../scripts/servers/server.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { startStopwatch } from "../stalls/stopwatch.ts";

type Sides = Readonly<{ leaving: string; other: string; leave: () => void }>;

/** One that does not lead, so that nobody waits for an election, and another one. */
async function sidesOf({ nodes }: RunningServer): Promise<Sides> {
  const leads = await Promise.all(nodes.map(({ port }) => isConsulLeader(port)));
  const [leaving = 0, other = 0] = nodes.flatMap(({ port }, index) => (leads[index] === true ? [] : [port]));
  return {
    leaving: `127.0.0.1:${leaving}`,
    other: `127.0.0.1:${other}`,
    // It answers only when it has told everybody, which takes seconds.
    leave: () => void consulRequest({ port: leaving }, "PUT", "/v1/agent/leave").catch(() => undefined),
  };
}

describe.runIf(await isServerAvailable("consul-cluster"))("consul: an agent leaves", () => {
  it("a lock that is held through it is not given to others while its holder may believe to hold it", async () => {
    await using servers = await startServer("consul-cluster");
    const { leaving, other, leave } = await sidesOf(servers);
    const common = { prefix: `test/${randomUUID()}`, electionTimeout: "6s", logger: silentLogger } as const;
    await using holder = consulCluster({ ...common, nodeId: "holder", address: leaving });
    await using waiter = consulCluster({ ...common, nodeId: "waiter", address: other });
    await Promise.all([holder.start(), waiter.start()]);
    const held = await holder.lock("x");
    const waits = waiter.lock("x", { wait: "30s" });
    leave();
    const got = await waits;
    expect([held.held, got.held]).toEqual([false, true]);
    expect(BigInt(got.token) > BigInt(held.token)).toBe(true);
  });

  it("a job that was taken through it comes back when its lease is over, not before", async () => {
    await using servers = await startServer("consul-cluster");
    const { leaving, other, leave } = await sidesOf(servers);
    const common = { prefix: `test/${randomUUID()}`, sessionTtl: "6s", logger: silentLogger } as const;
    await using first = await consulQueue(leaving, common).open();
    await using second = await consulQueue(other, common).open();
    await first.push(createJob("once"));
    const taken = await first.pop({ lease: "8s" });
    expect(taken?.payload).toBe("once");
    const sinceTaken = await startStopwatch();
    leave();
    const again = await second.pop({ wait: "40s" });
    expect(again?.attempts).toBe(2);
    expect(await sinceTaken()).toBeGreaterThanOrEqual(8_000);
    await again?.complete();
  });
});
