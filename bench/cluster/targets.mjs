/** What issue and design ask of a cluster, one line each. Claims and locks have no target: they stand beside the raw client's. */
const FAIL_OVER = 1.5;
const HAND_OVER_MS = 100;
/** Of the server that scripts/servers starts (tickTime). */
const ZOOKEEPER_TICK_MS = 500;
/**
 * When the session of a dead node has ended at the latest, as docs/backends says of each; others have `FAIL_OVER`. From there on it is a hand-over.
 * etcd counts whole seconds.
 */
const SESSION_END_MS = {
  etcd: (ttlMs) => Math.ceil(ttlMs / 1_000) * 1_000 + 500,
  consul: (ttlMs) => 2 * ttlMs,
  zookeeper: (ttlMs) => ttlMs + ZOOKEEPER_TICK_MS,
};
/** Requests a node may not grow by this much from 3 nodes to 50. */
const IDLE_GROWTH = 1.2;

/** Until there is a new leader after the death of one. */
export function promisedMs(kind, ttlMs) {
  return kind in SESSION_END_MS ? SESSION_END_MS[kind](ttlMs) + HAND_OVER_MS : FAIL_OVER * ttlMs;
}

export function targetsOf(results) {
  return Object.entries(results).flatMap(([name, result]) => {
    if (name.endsWith(".failover")) return failOver(name, result);
    return name.endsWith(".idle") ? idle(name, result) : [];
  });
}

function failOver(name, { ttlMs, promised, afterSigkillMs, afterResignMs }) {
  return [
    line(`${name} new leader after SIGKILL, most, in time-outs`, afterSigkillMs.max / ttlMs, promised / ttlMs),
    line(`${name} new leader after a graceful stop, most, ms`, afterResignMs.max, HAND_OVER_MS),
  ];
}

function idle(name, result) {
  const each = (nodes) => (result[nodes].requests ?? result[nodes].writes) / nodes;
  const what = result[3].requests === undefined ? "writes" : "requests";
  return [line(`${name} ${what} a node, 50 nodes against 3`, each(50) / each(3), IDLE_GROWTH)];
}

function line(what, got, below) {
  const reached = got < below;
  const text = `TARGET ${what}: got ${got.toFixed(2)} want below ${below.toFixed(2)} ${reached ? "reached" : "missed"}`;
  return { text, reached };
}
