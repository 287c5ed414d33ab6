import { globSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { createCertificate } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { debianPackages } from "./debian-packages.ts";
import { debianSuite, placeOf, suiteRoot } from "./debian-suite.ts";
import { findPrograms, pathFolders, programsIn } from "./find-programs.ts";
import { freePorts } from "./free-port.ts";
import { program } from "./locate.ts";
import type { Located } from "./locate.ts";
import { isListening } from "./is-listening.ts";
import { runProgram } from "./run-program.ts";
import { runningServer } from "./running-server.ts";
import { HOST, refuseOptions } from "./server.ts";
import type { RunningServer, ServerKind, ServerOptions } from "./server.ts";
import { serverFolder, startProcess } from "./server-process.ts";

export interface RabbitmqOptions extends ServerOptions {
  /** Default: the management plugin, whose HTTP API is the endpoint `management`. Each costs a second of the start. */
  readonly plugins?: readonly string[];
  /** Bytes of memory beyond which publishers are blocked. */
  readonly memoryLimit?: number;
  /** Milliseconds after which a dead letter that its target did not take is sent again. Default: the server's, 3 minutes. */
  readonly deadLetterRetry?: number;
  /** The server's `max_message_size`, in bytes. */
  readonly maxMessageSize?: number;
}

const PATTERN = "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server";

/** The version of this machine: 3.10 on Debian 12. Its durable queues keep what was confirmed, with `durable` or without. */
export const rabbitmq: ServerKind<RabbitmqOptions> = {
  name: "rabbitmq",
  needs: {
    find: () =>
      onPath() ?? findIn("/") ?? findPrograms(["rabbitmq-server", "epmd"], ["/opt/homebrew/opt/rabbitmq/sbin"]),
    installers: [debianPackages("rabbitmq-server", "openssl")],
    words: "Install RabbitMQ, 3.10 or newer (Debian: apt-get install rabbitmq-server; macOS: brew install rabbitmq).",
  },
  start: (options, located) => start("rabbitmq", options, located),
  dockerUrl: (port) => `amqp://${HOST}:${port}`,
};

/** RabbitMQ 4.0, from Debian 13. */
export const rabbitmq4: ServerKind<RabbitmqOptions> = {
  name: "rabbitmq-4",
  needs: {
    find: (cache) => onPath("4.") ?? findIn("/", "4.") ?? findIn(suiteRoot(cache)),
    installers: [debianSuite("trixie", "rabbitmq-server")],
    words: "Install RabbitMQ 4; on Debian, root gets it by itself from the suite trixie.",
  },
  start: (options, located) => start("rabbitmq-4", options, located),
  dockerUrl: (port) => `amqp://${HOST}:${port}`,
};

/** Not `/usr/sbin/rabbitmq-server` of Debian, a link to a script of another name: that changes to another user and to folders of its own. */
function onPath(version = ""): Located | undefined {
  const epmd = findPrograms(["epmd"]);
  const paths = pathFolders().flatMap((folder) => Object.values(programsIn(["rabbitmq-server"], [folder]) ?? {}));
  const server = paths
    .map((path) => realpathSync(path))
    .find((path) => basename(path) === "rabbitmq-server" && homeOf(path).startsWith(`rabbitmq_server-${version}`));
  return server === undefined || epmd === undefined ? undefined : { ...epmd, "rabbitmq-server": server };
}

function findIn(root: string, version = ""): Located | undefined {
  const server = globSync(join(root, PATTERN)).find((path) => path.includes(`rabbitmq_server-${version}`));
  const epmd = globSync(join(root, "usr/bin/epmd"))[0];
  return server === undefined || epmd === undefined ? undefined : { "rabbitmq-server": server, epmd, root };
}

async function start(kind: string, options: RabbitmqOptions, located: Located): Promise<RunningServer> {
  refuseOptions(kind, options, ["readOnly"]);
  const folder = await serverFolder(kind);
  const place = await placeOf(located);
  const [amqp = 0, distribution = 0, epmdPort = 0, management = 0] = await freePorts(4);
  const files = options.tls ? await createCertificate(folder) : undefined;
  const { plugins = ["rabbitmq_management"] } = options;
  const inside = place.inside(folder);
  writeFiles(folder, plugins, configuration(options, { amqp, management, inside, files }));
  const env = environment(inside, { amqp, distribution, epmdPort }, options.args ?? []);
  // A node of its own for the names of Erlang: the one that RabbitMQ would start itself stays for ever, for all.
  const epmd = await startProcess({
    name: `${kind}-epmd`,
    port: epmdPort,
    folder,
    launch: { ...place.command(program(located, "epmd"), "-port", String(epmdPort), "-address", HOST), env },
    isReady: () => isListening(epmdPort),
    stopSignal: "SIGTERM",
  });
  const command = program(located, "rabbitmq-server");
  tools.set(amqp, (...words) => {
    const tool = place.command(join(dirname(command), "rabbitmqctl"), ...words);
    return runProgram(tool.command, tool.args, { env });
  });
  const node = await startProcess({
    name: kind,
    port: amqp,
    folder,
    launch: { ...place.command(command), env },
    // The broker listens before it is ready for clients; the plugins come last.
    isReady: async (output) => /completed with \d+ plugins/.test(output) && (await isListening(amqp)),
    stopSignal: "SIGTERM",
  });
  const url = `${files ? "amqps" : "amqp"}://${HOST}:${amqp}`;
  const hasApi = plugins.includes("rabbitmq_management");
  const endpoints: Readonly<Record<string, string>> = hasApi ? { management: `http://${HOST}:${management}` } : {};
  const ca = files ? { ca: files.certificate } : {};
  return runningServer({ kind, version: versionOf(located), url, endpoints, ...ca }, [node], { companions: [epmd] });
}

type Tool = (...words: readonly string[]) => Promise<string>;

/** By the port of the server. */
const tools = new Map<number, Tool>();

/** Runs `rabbitmqctl` for a server that this process has started; it takes seconds. */
export function rabbitmqctl({ port }: RunningServer, ...words: readonly string[]): Promise<string> {
  const tool = tools.get(port);
  if (tool === undefined) throw new Error(`No RabbitMQ of this process is on port ${port}.`);
  return tool(...words);
}

function versionOf(located: Located): string {
  return /\d+\.\d+\.\d+/.exec(homeOf(program(located, "rabbitmq-server")))?.[0] ?? "unknown";
}

/** The name of the folder of the release. */
function homeOf(server: string): string {
  return basename(dirname(dirname(server)));
}

function writeFiles(folder: string, plugins: readonly string[], config: string): void {
  for (const name of ["home", "log", "mnesia"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "home", ".erlang.cookie"), "JOBFERRY", { mode: 0o400 });
  writeFileSync(join(folder, "enabled_plugins"), `[${plugins.join(",")}].\n`);
  writeFileSync(join(folder, "rabbitmq.config"), config);
}

type Parts = Readonly<{ amqp: number; management: number; inside: string; files: Certificate | undefined }>;

/** Erlang terms: the newer format takes two seconds more at every start. */
function configuration(
  { password, memoryLimit, deadLetterRetry, maxMessageSize }: RabbitmqOptions,
  { amqp, management, inside, files }: Parts,
): string {
  const listener = `[{"${HOST}",${amqp}}]`;
  const pem = (path: string): string => join(inside, basename(path));
  const listeners = files
    ? `{tcp_listeners,[]},{ssl_listeners,${listener}},{ssl_options,[{certfile,"${pem(files.certificate)}"},{keyfile,"${pem(files.key)}"}]}`
    : `{tcp_listeners,${listener}}`;
  const rabbit = [
    listeners,
    "{loopback_users,[]}",
    ...(password === undefined ? [] : [`{default_pass,<<"${password}">>}`]),
    `{vm_memory_high_watermark,{absolute,${memoryLimit ?? 2 * 1024 ** 3}}}`,
    ...(deadLetterRetry === undefined ? [] : [`{dead_letter_worker_publisher_confirm_timeout,${deadLetterRetry}}`]),
    ...(maxMessageSize === undefined ? [] : [`{max_message_size,${maxMessageSize}}`]),
    `{disk_free_limit,${50 * 1024 ** 2}}`,
    `{log,[{console,[{enabled,false}]},{file,[{file,"${inside}/log/rabbit.log"},{level,warning}]}]}`,
  ];
  return `[{rabbit,[${rabbit.join(",")}]},{rabbitmq_management,[{tcp_config,[{ip,"${HOST}"},{port,${management}}]}]}].\n`;
}

type Ports = Readonly<{ amqp: number; distribution: number; epmdPort: number }>;

function environment(inside: string, ports: Ports, args: readonly string[]): Readonly<Record<string, string>> {
  const loopbackOnly = "-kernel inet_dist_use_interface {127,0,0,1}";
  // Idle schedulers would spin for work.
  const calm = "+sbwt none +sbwtdcpu none +sbwtdio none";
  return {
    HOME: join(inside, "home"),
    LANG: "C.UTF-8",
    PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/bin:/sbin:/bin`,
    // The shell replaces itself by the broker, which takes the signals itself.
    RUNNING_UNDER_SYSTEMD: "true",
    RABBITMQ_NODENAME: `jobferry${ports.amqp}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: HOST,
    RABBITMQ_NODE_PORT: String(ports.amqp),
    RABBITMQ_DIST_PORT: String(ports.distribution),
    ERL_EPMD_PORT: String(ports.epmdPort),
    ERL_EPMD_ADDRESS: HOST,
    RABBITMQ_CONFIG_FILE: join(inside, "rabbitmq.config"),
    RABBITMQ_CONF_ENV_FILE: "/dev/null",
    RABBITMQ_ENABLED_PLUGINS_FILE: join(inside, "enabled_plugins"),
    RABBITMQ_MNESIA_BASE: join(inside, "mnesia"),
    RABBITMQ_LOG_BASE: join(inside, "log"),
    RABBITMQ_PID_FILE: join(inside, "pid"),
    RABBITMQ_FEATURE_FLAGS_FILE: join(inside, "feature_flags"),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: [loopbackOnly, calm, ...args].join(" "),
    RABBITMQ_CTL_ERL_ARGS: loopbackOnly,
  };
}
