import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCertificate } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { freePorts } from "./free-port.ts";
import { program } from "./locate.ts";
import type { Located } from "./locate.ts";
import { mayNotWrite, redisCommand } from "./redis-command.ts";
import { redisNeeds, redisVersion, startRedisNode, tlsArguments } from "./redis.ts";
import { runningServer } from "./running-server.ts";
import { HOST, refuseOptions } from "./server.ts";
import type { RunningServer, ServerKind, ServerOptions } from "./server.ts";
import { serverFolder, startProcess } from "./server-process.ts";
import type { ServerProcess } from "./server-process.ts";
import { waitUntil } from "./wait-until.ts";

export interface RedisSentinelOptions extends ServerOptions {
  /** How long the primary may be silent until it counts as down. Default: a second. */
  readonly downAfter?: number;
}

const MASTER = "mymaster";
const QUORUM = 2;

/** A primary, a replica and three sentinels. The password, if any, is the data nodes'. */
export const redisSentinel: ServerKind<RedisSentinelOptions> = { name: "redis-sentinel", needs: redisNeeds, start };

async function start(options: RedisSentinelOptions, located: Located): Promise<RunningServer> {
  refuseOptions("redis-sentinel", options, ["readOnly"]);
  const { password, tls = false } = options;
  const primaryFolder = await serverFolder("redis-primary");
  const files = tls ? await createCertificate(primaryFolder) : undefined;
  const ca = files?.certificate;
  const [primaryPort = 0, replicaPort = 0, ...ports] = await freePorts(5);
  const secret = password === undefined ? [] : ["--requirepass", password, "--masterauth", password];
  const lasting = ["--appendonly", options.durable ? "yes" : "no"];
  const dataNode = (name: string, folder: string, port: number, more: readonly string[]): Promise<ServerProcess> => {
    const listening = files === undefined ? ["--port", String(port)] : tlsArguments(port, files);
    const args = [...listening, "--repl-diskless-sync-delay", "0", ...lasting, ...secret, ...more];
    return startRedisNode({ name, located, folder, port, args: [...args, ...(options.args ?? [])], password, ca });
  };
  const primary = await dataNode("redis-primary", primaryFolder, primaryPort, []);
  const replicaOf = ["--replicaof", `${HOST} ${primaryPort}`];
  const replica = await dataNode("redis-replica", await serverFolder("redis-replica"), replicaPort, replicaOf);
  const watch = {
    command: program(located, "redis-server"),
    primaryPort,
    password,
    downAfter: options.downAfter ?? 1_000,
    files,
  };
  const sentinels = await Promise.all(ports.map((port, index) => startSentinel(index + 1, port, watch)));

  const waitUntilReady = (): Promise<void> => waitUntil("the sentinels agree", () => agree(sentinels, ca));
  await waitUntilReady();
  const askPrimary = (): Promise<string> => redisCommand({ port: primaryPort, password, ca }, "INFO", "replication");
  await waitUntil("the primary may write", async () => !mayNotWrite(await askPrimary()));
  const url = `${tls ? "rediss" : "redis"}+sentinel://${ports.map((port) => `${HOST}:${port}`).join(",")}?master=${MASTER}`;
  const nodes = [primary, replica, ...sentinels];
  const endpoints = Object.fromEntries(nodes.map(({ name, port }) => [name, `${HOST}:${port}`]));
  const version = await redisVersion(located);
  const description = { kind: "redis-sentinel", version, url, endpoints, ...(ca === undefined ? {} : { ca }) };
  return runningServer(description, nodes, { waitUntilReady });
}

type Watch = Readonly<{
  command: string;
  primaryPort: number;
  password: string | undefined;
  downAfter: number;
  files: Certificate | undefined;
}>;

/** It keeps what it learns in its configuration file, so a restarted one knows the current primary. */
async function startSentinel(number: number, port: number, watch: Watch): Promise<ServerProcess> {
  const name = `redis-sentinel-${number}`;
  const folder = await serverFolder(name);
  const file = join(folder, "sentinel.conf");
  const { files } = watch;
  const lines = [
    ...(files === undefined ? [`port ${port}`] : sentinelTls(port, files)),
    `bind ${HOST}`,
    `dir ${folder}`,
    `sentinel monitor ${MASTER} ${HOST} ${watch.primaryPort} ${QUORUM}`,
    `sentinel down-after-milliseconds ${MASTER} ${watch.downAfter}`,
    `sentinel failover-timeout ${MASTER} 5000`,
    ...(watch.password === undefined ? [] : [`sentinel auth-pass ${MASTER} ${watch.password}`]),
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  return startProcess({
    name,
    port,
    folder,
    launch: { command: watch.command, args: [file, "--sentinel"] },
    isReady: async () => (await redisCommand({ port, ca: files?.certificate }, "PING")) === "PONG",
    stopSignal: "SIGTERM",
  });
}

/** A sentinel speaks TLS to servers and other sentinels where `tls-replication` says so. */
function sentinelTls(port: number, { certificate, key }: Certificate): readonly string[] {
  return [
    ...["port 0", `tls-port ${port}`, "tls-auth-clients no", "tls-replication yes"],
    ...[`tls-cert-file ${certificate}`, `tls-key-file ${key}`, `tls-ca-cert-file ${certificate}`],
  ];
}

/** Every sentinel knows the others and the replica: only then a failover is sure to work. */
async function agree(sentinels: readonly ServerProcess[], ca: string | undefined): Promise<boolean> {
  const answers = await Promise.all(sentinels.map(({ port }) => redisCommand({ port, ca }, "INFO", "sentinel")));
  const healthy = `status=ok,address=`;
  return answers.every((answer) => answer.includes(healthy) && answer.includes(`slaves=1,sentinels=3`));
}
