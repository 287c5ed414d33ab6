/**
 * The short forms on one server of etcd, Consul and ZooKeeper, three stores at once; `npm run chaos -- etcd 10m` is the long form. What only kills processes, or is the
 * same algorithm on each, runs on one of them.
 */
import { isServerAvailable } from "../servers/shared-server.ts";
import { type Run, runLanes } from "./run-lanes.ts";
import { onLanes } from "./server-cases.ts";
import { chaosServer } from "./server-store.ts";

const ON_ALL: readonly Run[] = [
  ["killedWorkers", 6],
  // Enough for all slots when a worker is stopped. The stop takes 9 to 18 s, and the 1,000 that were pushed meanwhile only made the drain long.
  ["frozenWorkers", 6, { most: 300 }],
  ["droppedAnswers", 6],
];

/** What SIGKILL leaves in the system's cache is enough, and a busy disk holds up no write. */
const OPTIONS = { durable: false } as const;

const LANES = {
  etcd: [...ON_ALL, ["killedServer", 6]],
  consul: ON_ALL,
  zookeeper: [...ON_ALL, ["poison", 3]],
} as const satisfies Readonly<Record<string, readonly Run[]>>;

for (const store of ["etcd", "consul", "zookeeper"] as const) {
  if (!(await isServerAvailable(store))) continue;
  onLanes(store, [LANES[store]], () => runLanes(store, [LANES[store]], () => chaosServer(store, OPTIONS)));
}
