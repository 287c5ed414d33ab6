/** The short forms of many processes that claim from one queue on three servers; `npm run chaos -- etcd 1m claimOne claimTwenty claimHundred` is the long form, with 32. */
import { expect, test } from "vitest";
import { isServerAvailable } from "../servers/shared-server.ts";
import { runLanes } from "./run-lanes.ts";

/** Fewer where the server is busy itself: they run at once. */
const PROCESSES = { etcd: 8, consul: 4, zookeeper: 4 } as const;
type Store = keyof typeof PROCESSES;
const JOBS = 200;

for (const store of ["etcd", "consul", "zookeeper"] as const)
  if (await isServerAvailable(`${store}-cluster`)) onStore(store);

function onStore(store: Store): void {
  const workers = PROCESSES[store];
  const survived = runLanes(`${store}-cluster`, [[["claimTwenty", 1, { workers, most: JOBS }]]]);
  test(`${store}: ${workers} processes claim from one queue, and each job is leased once`, async () => {
    const { counts } = await survived("claimTwenty", { "transactions that claim": JOBS / 20 });
    expect(counts).toMatchObject({ pushed: JOBS, leases: JOBS, completed: JOBS });
  });
}
