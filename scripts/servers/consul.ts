import { dirname, join } from "node:path";
import { createCertificate } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { consulRequest } from "./consul-request.ts";
import type { ConsulPlace } from "./consul-request.ts";
import { findOnPath, programsIn, type Version } from "./find-programs.ts";
import { freePorts } from "./free-port.ts";
import { builtModule, goModule } from "./go-module.ts";
import { program } from "./locate.ts";
import type { Located } from "./locate.ts";
import { runningServer } from "./running-server.ts";
import { hostOf, launchOn, relayTo, type Hosts } from "./hosts.ts";
import { HOST, refuseOptions } from "./server.ts";
import type { RunningServer, ServerKind, ServerOptions } from "./server.ts";
import { serverFolder, startProcess } from "./server-process.ts";
import type { ServerProcess } from "./server-process.ts";
import { waitUntil } from "./wait-until.ts";

export interface ConsulOptions extends ServerOptions {
  /** The shortest time to live of a session that the server takes. Default "1s"; Consul's own default is "10s". */
  readonly shortestSession?: string;
  /** With `tls`: clients have to show the server's own certificate (`clientKeyOf`). */
  readonly clientCertificates?: boolean;
  /** One for each of its servers. */
  readonly hosts?: Hosts;
}

const SERVERS = 3;
const NOBODY = "__ready";

/** Debian 12 has 1.8. */
const isNewEnough = ({ major, minor }: Version): boolean => major > 1 || minor >= 15;

const needs = {
  sharedWith: "consul",
  find: (cache: string) =>
    findOnPath(["consul"], isNewEnough) ??
    builtModule(cache, "consul") ??
    programsIn(["consul"], ["/opt/homebrew/bin"]),
  installers: [goModule("consul")],
  words: "Install Go, 1.24 or newer (it is built with it, once, in some minutes), or consul, 1.15 or newer.",
};

/** Consul 1.15, one server, with its data in memory unless it is `durable`. The password is the token that may do everything. */
export const consul: ServerKind<ConsulOptions> = {
  name: "consul",
  needs,
  start: async (options, located) => start("consul", await freePorts(3), options, located),
  dockerUrl: (port) => `consul://${HOST}:${port}`,
};

/** Three servers that elect a leader. Durable in any case. */
export const consulCluster: ServerKind<ConsulOptions> = {
  name: "consul-cluster",
  needs,
  start: async (options, located) =>
    start("consul-cluster", await freePorts(3 * SERVERS), { ...options, durable: true }, located),
};

/** The key to the certificate of a server with TLS. */
export function clientKeyOf(certificate: string): string {
  return join(dirname(certificate), "key.pem");
}

async function start(
  kind: string,
  ports: readonly number[],
  options: ConsulOptions,
  located: Located,
): Promise<RunningServer> {
  refuseOptions(kind, options, ["readOnly"]);
  const count = ports.length / 3;
  const plans = Array.from({ length: count }, (_, index) => {
    const [http = 0, server = 0, gossip = 0] = ports.slice(3 * index, 3 * index + 3);
    const host = hostOf(options.hosts, index);
    return { name: count === 1 ? kind : `${kind}-${index + 1}`, host, http, server, gossip };
  });
  const folders = await Promise.all(plans.map(({ name }) => serverFolder(name)));
  const files = options.tls ? await createCertificate(folders[0] ?? "") : undefined;
  const key = files !== undefined && options.clientCertificates ? files.key : undefined;
  const place = (port: number): ConsulPlace => ({ port, ca: files?.certificate, key, token: options.password });
  const nodes = await Promise.all(
    plans.map(async (plan, index) => {
      const others = plans.filter((other) => other !== plan);
      const folder = folders[index] ?? "";
      const args = [...agentArguments(plan, others, folder, options), ...settings(options, files).flatMap(asHcl)];
      await relayTo(options.hosts, index, [plan.http]);
      return startProcess({
        name: plan.name,
        port: plan.http,
        folder,
        launch: launchOn(options.hosts, index, {
          command: program(located, "consul"),
          args: [...args, ...(options.args ?? [])],
        }),
        // Also without a leader: it may be started to become one.
        isReady: async () => (await consulRequest(place(plan.http), "GET", "/v1/status/leader")).status === 200,
        stopSignal: "SIGTERM",
      });
    }),
  );
  const waitUntilReady = (): Promise<void> => waitUntil(`${kind} serves`, () => serves(nodes, place));
  await waitUntilReady();
  const url = `${options.tls ? "consuls" : "consul"}://${nodes.map(({ port }) => `${HOST}:${port}`).join(",")}`;
  const endpoints = count === 1 ? {} : Object.fromEntries(nodes.map(({ name, port }) => [name, `${HOST}:${port}`]));
  const self = await consulRequest(place(nodes[0]?.port ?? 0), "GET", "/v1/agent/self");
  // With -dev the answers are printed with spaces.
  const version = /"Version": *"([^"+]+)/.exec(self.text)?.[1] ?? "unknown";
  const ca = files === undefined ? {} : { ca: files.certificate };
  const innerPorts = { rpc: plans[0]?.server ?? 0, gossip: plans[0]?.gossip ?? 0 };
  return runningServer({ kind, version, url, endpoints, innerPorts, ...ca }, nodes, { waitUntilReady });
}

type Plan = Readonly<{ name: string; host: string; http: number; server: number; gossip: number }>;

function agentArguments(
  { name, host, http, server, gossip }: Plan,
  others: readonly Plan[],
  folder: string,
  { durable = false, tls = false }: ConsulOptions,
): readonly string[] {
  const data = ["-server", `-bootstrap-expect=${others.length + 1}`, `-data-dir=${join(folder, "data")}`];
  const addresses = ["-bind", host, "-client", host, "-server-port", String(server), "-serf-lan-port", String(gossip)];
  const unused = ["-serf-wan-port", "-dns-port", "-grpc-port", "-grpc-tls-port"].flatMap((option) => [option, "-1"]);
  return [
    ...(durable ? data : ["-dev"]),
    ...["-node", name, "-datacenter", "dc1", "-disable-host-node-id", "-log-level", "warn"],
    ...[...addresses, ...unused, "-http-port", tls ? "-1" : String(http), "-https-port", tls ? String(http) : "-1"],
    ...[...others.flatMap((other) => ["-retry-join", `${other.host}:${other.gossip}`]), "-retry-interval", "1s"],
  ];
}

function settings(
  { shortestSession = "1s", password, clientCertificates = false }: ConsulOptions,
  files: Certificate | undefined,
): readonly string[] {
  return [
    `session_ttl_min = "${shortestSession}"`,
    "performance { raft_multiplier = 1 }",
    "disable_update_check = true",
    "connect { enabled = false }",
    // A server that was away for some seconds is taken out of the voters by default and votes again 10 s after its return: who then cuts off the next one has no majority left.
    "autopilot { cleanup_dead_servers = false }",
    // All clients of the tests have one address.
    "limits { http_max_conns_per_client = 4000 }",
    ...(password === undefined
      ? []
      : [
          `acl { enabled = true default_policy = "deny" tokens { initial_management = "${password}" agent = "${password}" } }`,
        ]),
    ...(files === undefined
      ? []
      : [
          `tls { defaults { ca_file = "${files.certificate}" cert_file = "${files.certificate}" key_file = "${files.key}" } https { verify_incoming = ${clientCertificates} } }`,
        ]),
  ];
}

const asHcl = (text: string): readonly string[] => ["-hcl", text];

/** Each answers from the leader's state: only then it has joined the others. */
async function serves(nodes: readonly ServerProcess[], place: (port: number) => ConsulPlace): Promise<boolean> {
  const path = `/v1/kv/${NOBODY}?consistent&keys`;
  const replies = await Promise.all(nodes.map(({ port }) => consulRequest(place(port), "GET", path)));
  return replies.every(({ status }) => status === 404 || status === 200);
}
