/** What issue and design ask of a cluster, one line each. Claims and locks have no target: they stand beside the raw client's. */
const FAIL_OVER = 1.5;
const HAND_OVER_MS = 100;
/** Requests a node may not grow by this much from 3 nodes to 50. */
const IDLE_GROWTH = 1.2;

export function targetsOf(results) {
  return Object.entries(results).flatMap(([name, result]) => {
    if (name.endsWith(".failover")) return failOver(name, result);
    return name.endsWith(".idle") ? idle(name, result) : [];
  });
}

function failOver(name, { ttlMs, afterSigkillMs, afterResignMs }) {
  return [
    line(`${name} new leader after SIGKILL, most, in time-outs`, afterSigkillMs.max / ttlMs, FAIL_OVER),
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
