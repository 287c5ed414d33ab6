import { createCertificate } from "./certificate.ts";
import { freePorts } from "./free-port.ts";
import type { Located } from "./locate.ts";
import { mayNotWrite, redisCommand } from "./redis-command.ts";
import { redisNeeds, redisVersion, startRedisNode, tlsArguments } from "./redis.ts";
import { runningServer } from "./running-server.ts";
import { HOST, refuseOptions } from "./server.ts";
import type { RunningServer, ServerKind, ServerOptions } from "./server.ts";
import { serverFolder } from "./server-process.ts";
import type { ServerProcess } from "./server-process.ts";
import { waitUntil } from "./wait-until.ts";

const PRIMARIES = 3;
const SLOTS = 16_384;
/** The nodes talk to each other on a second port, this much higher. */
const BUS_DISTANCE = 10_000;

type Ask = (node: ServerProcess, ...words: readonly string[]) => Promise<string>;

/** Three primaries, each with a replica: the first three nodes and, in the same order, the last three. */
export const redisCluster: ServerKind = { name: "redis-cluster", needs: redisNeeds, start };

async function start(options: ServerOptions, located: Located): Promise<RunningServer> {
  refuseOptions("redis-cluster", options, ["readOnly"]);
  const { password, tls = false } = options;
  const ports = await freePorts(2 * PRIMARIES, [BUS_DISTANCE]);
  const folders = await Promise.all(ports.map((_, index) => serverFolder(nameOf(index))));
  const files = tls ? await createCertificate(folders[0] ?? "") : undefined;
  const ca = files?.certificate;
  const nodes = await Promise.all(
    ports.map((port, index) => {
      const listening = files === undefined ? ["--port", String(port)] : tlsArguments(port, files);
      const args = [...listening, ...clusterArguments(options), ...(options.args ?? [])];
      return startRedisNode({
        ...{ name: nameOf(index), located, folder: folders[index] ?? "", port, args, password, ca },
      });
    }),
  );
  const ask: Ask = ({ port }, ...words) => redisCommand({ port, password, ca }, ...words);
  await join(nodes, ask);

  const url = `${tls ? "rediss" : "redis"}+cluster://${ports.map((port) => `${HOST}:${port}`).join(",")}`;
  const endpoints = Object.fromEntries(nodes.map(({ name, port }) => [name, `${HOST}:${port}`]));
  const version = await redisVersion(located);
  const description = { kind: "redis-cluster", version, url, endpoints, ...(ca === undefined ? {} : { ca }) };
  return runningServer(description, nodes, { waitUntilReady: () => waitUntilWhole(nodes, ask) });
}

function nameOf(index: number): string {
  return index < PRIMARIES ? `redis-primary-${index + 1}` : `redis-replica-${index - PRIMARIES + 1}`;
}

function clusterArguments({ durable = false, password, tls = false }: ServerOptions): readonly string[] {
  return [
    ...(tls ? ["--tls-cluster", "yes"] : []),
    ...["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "1000"],
    // A replica that has never synchronised takes over from nobody.
    ...["--repl-diskless-sync-delay", "0", "--appendonly", durable ? "yes" : "no"],
    ...(password === undefined ? [] : ["--requirepass", password, "--masterauth", password]),
  ];
}

/** By hand: it is faster than `redis-cli --cluster create`, and needs no other program. */
async function join(nodes: readonly ServerProcess[], ask: Ask): Promise<void> {
  const primaries = nodes.slice(0, PRIMARIES);
  const replicas = nodes.slice(PRIMARIES);
  await Promise.all(
    primaries.map(async (node, index) => {
      const slot = (part: number): number => Math.floor((part * SLOTS) / PRIMARIES);
      await ask(node, "CLUSTER", "ADDSLOTSRANGE", String(slot(index)), String(slot(index + 1) - 1));
      // Nodes of the same epoch would first have to agree on who is older.
      await ask(node, "CLUSTER", "SET-CONFIG-EPOCH", String(index + 1));
    }),
  );
  const [first, ...others] = nodes;
  if (first) for (const { port } of others) await ask(first, "CLUSTER", "MEET", HOST, String(port));
  await waitUntil("all primaries of the cluster serve", () =>
    all(primaries, ask, ["CLUSTER", "INFO"], "cluster_state:ok"),
  );
  await Promise.all(
    replicas.map(async (node, index) => {
      const primary = primaries[index];
      if (!primary) return;
      const id = await ask(primary, "CLUSTER", "MYID");
      // Refused until the replica has heard of its primary.
      await waitUntil(`${node.name} replicates`, async () => (await ask(node, "CLUSTER", "REPLICATE", id)) === "OK");
    }),
  );
  await waitUntilWhole(nodes, ask);
}

/** Every node sees the cluster as whole, and every replica has the data: only then a failover is sure to work. */
async function waitUntilWhole(nodes: readonly ServerProcess[], ask: Ask): Promise<void> {
  await waitUntil("the cluster serves", () => all(nodes, ask, ["CLUSTER", "INFO"], "cluster_state:ok"));
  await waitUntil("all replicas are linked", async () => {
    const answers = await Promise.all(nodes.map((node) => ask(node, "INFO", "replication")));
    const replicas = answers.filter((answer) => answer.includes("role:slave"));
    const mayWrite = !answers.some((answer) => mayNotWrite(answer));
    const areLinked = replicas.every((answer) => answer.includes("master_link_status:up"));
    return replicas.length === PRIMARIES && areLinked && mayWrite;
  });
}

async function all(
  nodes: readonly ServerProcess[],
  ask: Ask,
  words: readonly string[],
  wanted: string,
): Promise<boolean> {
  return (await Promise.all(nodes.map((node) => ask(node, ...words)))).every((answer) => answer.includes(wanted));
}
