import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createCertificate } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { debianPackages } from "./debian-packages.ts";
import { etcdEnableUsers } from "./etcd-gateway.ts";
import { findOnPath, programsIn, type Version } from "./find-programs.ts";
import { freePorts } from "./free-port.ts";
import { goProgram, goPrograms } from "./go-program.ts";
import { program } from "./locate.ts";
import type { Located } from "./locate.ts";
import { runProgram } from "./run-program.ts";
import { runningServer } from "./running-server.ts";
import { hostOf, launchOn, relayTo, type Hosts } from "./hosts.ts";
import { HOST, refuseOptions } from "./server.ts";
import type { RunningServer, ServerKind, ServerOptions } from "./server.ts";
import { serverFolder, startProcess } from "./server-process.ts";
import type { ServerProcess } from "./server-process.ts";

export interface EtcdOptions extends ServerOptions {
  /** With `tls`: clients have to show the server's own certificate (`ca`, and `key.pem` beside it). */
  readonly clientCertificate?: boolean;
  /** One for each of its servers. */
  readonly hosts?: Hosts;
}

const VERSION = "v3.6.16";
const MODULE = "go.etcd.io/etcd/server/v3";
/** Where Homebrew puts the current one. */
const FOLDERS = ["/opt/homebrew/bin", "/usr/local/bin"];
/** What Debian has is older. */
const isCurrent = ({ major, minor }: Version): boolean => major > 3 || (major === 3 && minor >= 6);

/** The current release, built once from its source. */
export const etcdNeeds = {
  find: (cache: string): Located | undefined =>
    findOnPath(["etcd"], isCurrent) ?? programsIn(["etcd"], [goPrograms(cache, VERSION), ...FOLDERS]),
  installers: [goProgram({ module: MODULE, version: VERSION, main: MODULE, name: "etcd" })],
  words: "Install Go, then it is built from source in about two minutes, or etcd 3.6 (macOS: brew install etcd).",
};

export const etcd: ServerKind<EtcdOptions> = {
  name: "etcd",
  needs: etcdNeeds,
  start: (options, located) => start("etcd", options, located),
  dockerUrl: (port) => `etcd://${HOST}:${port}`,
};

const TOGETHER = ["etcd", "etcdctl"];

/** Debian's, 3.4 on Debian 12, and the tool of that version. It has no way to leave out fsync. */
export const etcd34: ServerKind<EtcdOptions> = {
  name: "etcd-3.4",
  needs: {
    find: () =>
      findOnPath(TOGETHER, ({ major, minor }) => major === 3 && minor === 4) ?? programsIn(TOGETHER, ["/usr/bin"]),
    installers: [debianPackages("etcd-server", "etcd-client", "openssl")],
    words: "Install etcd and etcdctl 3.4 or newer into /usr/bin (Debian: apt-get install etcd-server etcd-client).",
  },
  start: (options, located) => start("etcd-3.4", options, located),
};

async function start(kind: string, options: EtcdOptions, located: Located): Promise<RunningServer> {
  refuseOptions(kind, options, ["readOnly"]);
  return startEtcd(kind, 1, options, located);
}

/** As many nodes as asked for, each in a folder of its own. */
export async function startEtcd(
  kind: string,
  count: number,
  options: EtcdOptions,
  located: Located,
): Promise<RunningServer> {
  const { tls = false, password } = options;
  const ports = await freePorts(3 * count);
  const folders = await Promise.all(Array.from({ length: count }, (_, index) => serverFolder(`${kind}-${index + 1}`)));
  const files = tls ? await createCertificate(folders[0] ?? "") : undefined;
  const plans = folders.map((folder, index): EtcdNode => {
    const [client = 0, peer = 0, health = 0] = ports.slice(3 * index);
    return { index, name: `etcd-${index + 1}`, folder, client, peer, health };
  });
  const version = await versionOf(located);
  const args = [...common(plans, version, options), ...tlsArguments(files, options), ...(options.args ?? [])];
  const nodes = await Promise.all(plans.map((plan) => startNode(plan, args, options, located)));
  const ca = files?.certificate;
  const gateway = { port: plans[0]?.client ?? 0, ca, ...(files === undefined ? {} : { cert: ca, key: files.key }) };
  if (password !== undefined) await etcdEnableUsers(gateway, password);
  const url = `${tls ? "etcds" : "etcd"}://${plans.map(({ client }) => `${HOST}:${client}`).join(",")}`;
  const endpoints = Object.fromEntries(plans.map(({ name, client }) => [name, `${HOST}:${client}`]));
  const innerPorts = { peer: plans[0]?.peer ?? 0, metrics: plans[0]?.health ?? 0 };
  return runningServer({ kind, version, url, endpoints, innerPorts, ...(ca === undefined ? {} : { ca }) }, nodes);
}

type EtcdNode = Readonly<{
  index: number;
  name: string;
  folder: string;
  client: number;
  peer: number;
  health: number;
}>;

function common(
  nodes: readonly EtcdNode[],
  version: string,
  { durable = false, hosts }: EtcdOptions,
): readonly string[] {
  const cluster = nodes.map(({ index, name, peer }) => `${name}=http://${hostOf(hosts, index)}:${peer}`).join(",");
  return [
    ...["--initial-cluster", cluster, "--initial-cluster-state", "new", "--log-level", "error"],
    ...(version.startsWith("3.4.") ? ["--logger", "zap", "--pre-vote"] : durable ? [] : ["--unsafe-no-fsync"]),
  ];
}

function tlsArguments(files: Certificate | undefined, { clientCertificate = false }: EtcdOptions): readonly string[] {
  if (files === undefined) return [];
  const { certificate, key } = files;
  const asked = clientCertificate ? ["--client-cert-auth", "--trusted-ca-file", certificate] : [];
  return ["--cert-file", certificate, "--key-file", key, ...asked];
}

/** Its health has a port of its own, which asks for no certificate. */
async function startNode(
  { index, name, folder, client, peer, health }: EtcdNode,
  args: readonly string[],
  { tls = false, hosts }: EtcdOptions,
  located: Located,
): Promise<ServerProcess> {
  mkdirSync(join(folder, "data"), { mode: 0o700 });
  const host = hostOf(hosts, index);
  const own = `${tls ? "https" : "http"}://${host}:${client}`;
  const among = `http://${host}:${peer}`;
  const addresses = [
    ...["--name", name, "--data-dir", join(folder, "data"), "--listen-metrics-urls", `http://${host}:${health}`],
    ...["--listen-client-urls", own, "--advertise-client-urls", own],
    ...["--listen-peer-urls", among, "--initial-advertise-peer-urls", among],
  ];
  await relayTo(hosts, index, [client, health]);
  return startProcess({
    name,
    port: client,
    folder,
    launch: launchOn(hosts, index, { command: program(located, "etcd"), args: [...addresses, ...args] }),
    isReady: async () => {
      const response = await fetch(`http://${HOST}:${health}/health`, { signal: AbortSignal.timeout(2_000) });
      return ((await response.json()) as Readonly<{ health?: unknown }>).health === "true";
    },
    stopSignal: "SIGTERM",
  });
}

/** "etcd Version: 3.6.16" */
async function versionOf(located: Located): Promise<string> {
  const path = program(located, "etcd");
  return /Version: ([\w.]+)/.exec(await runProgram(path, ["--version"]))?.[1] ?? "unknown";
}
