import { end, startMember } from "./members.mjs";
import { distribution, openStore, sleep, until } from "./stores.mjs";
import { promisedMs } from "./targets.mjs";

/**
 * So many that the store, which does not share its cores in production, is not what they wait for: each node of PostgreSQL has connections of its own, each of
 * Consul up to 6 and of ZooKeeper a new one a heartbeat, and all ends of sessions are writes that a disk confirms.
 */
const CLUSTERS = { sqlite: 20, redis: 20, postgres: 8, etcd: 8, consul: 8, zookeeper: 8 };
/** For the nodes to hear of it beside what is promised. */
const SLACK_MS = 28_000;

/**
 * How long there is no leader: three processes that stand in the elections of many clusters with heartbeats of their own. The one that leads them
 * all is killed: a sample of each. The next one gives them away one after the other: another sample of each.
 */
export async function failOver(kind, { ttlMs }) {
  const store = await openStore(kind);
  const clusters = CLUSTERS[kind];
  const promised = promisedMs(kind, ttlMs);
  const elected = new Map();
  const gaveAway = new Map();
  const heard = ({ kind: what, cluster, nodeId, at }) => {
    if (what === "elected") elected.set(`${nodeId} ${cluster}`, at);
    if (what === "resigns") gaveAway.set(cluster, at);
  };
  const members = [];
  const all = (nodeId) => until(() => count(nodeId) === clusters, `${nodeId} leads all`, promised + SLACK_MS);
  const count = (nodeId) => [...elected.keys()].filter((key) => key.startsWith(`${nodeId} `)).length;
  try {
    for (const nodeId of ["a", "b", "c"])
      members.push(await startMember("lead", store.url, nodeId, [clusters, ttlMs], heard));
    await all("a");
    await sleep(ttlMs);
    const killed = performance.timeOrigin + performance.now();
    await end(members[0], "SIGKILL");
    await all("b");
    const crash = times("b").map((at) => at - killed);
    members[1].send("resign");
    await all("c");
    const graceful = [...gaveAway].map(([cluster, at]) => elected.get(`c ${cluster}`) - at);
    return { ttlMs, promised, afterSigkillMs: distribution(crash), afterResignMs: distribution(graceful) };
  } finally {
    await Promise.all(members.map((member) => end(member)));
    await store.close();
  }

  function times(nodeId) {
    return [...elected].filter(([key]) => key.startsWith(`${nodeId} `)).map(([, at]) => at);
  }
}
