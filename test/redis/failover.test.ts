import { describe, expect, it } from "vitest";
import type { RunningServer } from "../../scripts/servers/server.ts";
import { clusterGroup, sentinelGroup } from "../chaos/redis-groups.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { queueOn, Traffic, until } from "./stage.ts";

/** Redis replicates after it answered: what a primary confirmed in its last moments may be unknown to its successor. */
const LOST_AT_MOST = 20;

const LIBRARIES = ["ioredis", "redis"] as const;
const GROUPS = [
  ["redis-sentinel", sentinelGroup, 1],
  ["redis-cluster", clusterGroup, 3],
] as const;

/** The ids of pushes that were confirmed and never ran. */
async function missingAfter(
  failOver: (server: RunningServer) => Promise<void>,
  server: RunningServer,
  options: Parameters<typeof queueOn>[1],
): Promise<Readonly<{ confirmed: number; missing: readonly string[] }>> {
  // The fault finds the primary by a key of the default prefix.
  const settings = { prefix: "jobferry", pushTimeout: "30s", commandTimeout: "2s" } as const;
  await using queue = queueOn(server.url, { ...settings, ...options });
  const traffic = new Traffic(queue);
  await traffic.start();
  await until(() => traffic.done > 50, 20_000);
  await failOver(server);
  const before = traffic.done;
  await until(() => traffic.done > before + 50, 25_000);
  await traffic.stopPushing();
  const missing = await traffic.missing(8_000);
  await traffic.stop();
  return { confirmed: traffic.confirmed.size, missing };
}

for (const [kind, { failOver }, partitions] of GROUPS) {
  describe.runIf(await isServerAvailable(kind))(`${kind}: workers outlive the death of a primary`, () => {
    it.each(LIBRARIES)("and no push that waited for the replica is lost, with %s", async (library) => {
      await using server = await startServer(kind);
      const { missing } = await missingAfter(failOver, server, { library, replicas: 1 });
      expect(missing).toEqual([]);
    });

    it("and of those that did not wait only some can be lost", async () => {
      await using server = await startServer(kind);
      const { confirmed, missing } = await missingAfter(failOver, server, { partitions });
      // Told, because it is what the guide says.
      console.log(`${confirmed} pushes confirmed, ${missing.length} of them lost by the fail-over`);
      expect(missing.length).toBeLessThan(LOST_AT_MOST);
    });
  });
}
