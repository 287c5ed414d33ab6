import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createCertificate } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { debianPackages } from "./debian-packages.ts";
import { findPrograms } from "./find-programs.ts";
import { freePort } from "./free-port.ts";
import { program } from "./locate.ts";
import type { Located, Needs } from "./locate.ts";
import { jarFolder, mavenPackages } from "./maven-packages.ts";
import { runningServer } from "./running-server.ts";
import { hostOf, launchOn, relayTo, type Hosts } from "./hosts.ts";
import { HOST, refuseOptions } from "./server.ts";
import type { RunningServer, ServerKind, ServerOptions } from "./server.ts";
import { serverFolder, startProcess } from "./server-process.ts";
import type { ServerProcess } from "./server-process.ts";
import { zookeeperMode } from "./zookeeper-command.ts";
import type { ZookeeperPort } from "./zookeeper-command.ts";

/** `password` is that of the user "jobferry" for SASL, and nobody gets in without. */
export interface ZookeeperOptions extends ServerOptions {
  /** Default true, which is not the server's own default. */
  readonly ttlNodes?: boolean;
  /** Bounds of the time that a session may live without a sign, in milliseconds. Default: 1,000 and 60,000. */
  readonly sessionTimeouts?: readonly [min: number, max: number];
  /** With `tls`: clients have to show the server's own certificate (`ca`, and `key.pem` beside it). */
  readonly clientCertificates?: boolean;
  /** One for each of its servers. */
  readonly hosts?: Hosts;
}

const VERSION = "3.9.5";
const JARS = [`zookeeper-${VERSION}.jar`, "commons-cli-1.5.0.jar"];
const DEBIAN_JARS = "/usr/share/java";

/** The newest one that Maven Central had. metrics-core and snappy are "provided" in its own description, and it does not start without. */
export const zookeeperNeeds: Needs = {
  find: (cache) => {
    const java = findPrograms(["java"]);
    // Three nodes use what was fetched for one.
    const folders = [cache, join(dirname(cache), "zookeeper")].map(jarFolder);
    const jars = folders.find((folder) => JARS.every((jar) => existsSync(join(folder, jar))));
    return java === undefined || jars === undefined
      ? undefined
      : { ...java, classpath: join(jars, "*"), version: VERSION };
  },
  installers: [
    mavenPackages(
      `org.apache.zookeeper:zookeeper:${VERSION}`,
      "io.dropwizard.metrics:metrics-core:4.1.12.1",
      "org.xerial.snappy:snappy-java:1.1.10.5",
      "org.slf4j:slf4j-simple:2.0.13",
      // Of its command line.
      "commons-cli:commons-cli:1.5.0",
    ),
  ],
  words: "Install Java 11 or newer and Maven, which fetches ZooKeeper (Debian: apt-get install maven).",
};

export const zookeeper: ServerKind<ZookeeperOptions> = {
  name: "zookeeper",
  needs: zookeeperNeeds,
  start: (options, located) => start("zookeeper", options, located),
  dockerUrl: (port) => `zookeeper://${HOST}:${port}`,
};

/** The version of Debian 12. Its packages for the system's service are not needed. */
export const zookeeper38: ServerKind<ZookeeperOptions> = {
  name: "zookeeper-3.8",
  needs: {
    find: () => {
      const [jar = ""] = globSync(join(DEBIAN_JARS, "zookeeper-3.8.*.jar"));
      const java = findPrograms(["java"]);
      if (java === undefined || jar === "") return undefined;
      // Its manifest names what it needs, but for these.
      const others = ["slf4j-simple", "netty-codec", "netty-resolver"].map((name) => join(DEBIAN_JARS, `${name}.jar`));
      const version = /(\d+\.\d+\.\d+)\.jar$/.exec(jar)?.[1] ?? "unknown";
      return { ...java, classpath: [jar, ...others].join(":"), version };
    },
    installers: [debianPackages("libzookeeper-java", "default-jre-headless", "openssl")],
    words: "Install ZooKeeper 3.8 from Debian 12: apt-get install libzookeeper-java default-jre-headless.",
  },
  start: (options, located) => start("zookeeper-3.8", options, located),
};

async function start(kind: string, options: ZookeeperOptions, located: Located): Promise<RunningServer> {
  refuseOptions(kind, options, ["readOnly"]);
  const folder = await serverFolder(kind);
  const port = await freePort();
  const files = options.tls ? await createCertificate(folder) : undefined;
  const node = await startZookeeperNode({ name: kind, located, folder, port, options, files, quorum: [] });
  const url = `zookeeper${files ? "s" : ""}://${HOST}:${port}`;
  const ca = files ? { ca: files.certificate } : {};
  return runningServer({ kind, version: program(located, "version"), url, ...ca }, [node]);
}

export type ZookeeperNode = Readonly<{
  name: string;
  located: Located;
  /** The node's own. */
  folder: string;
  port: number;
  options: ZookeeperOptions;
  files: Certificate | undefined;
  /** The lines of the configuration that name the servers, and this one's number among them. */
  quorum: readonly string[];
  number?: number;
}>;

/** It is ready when it serves: in a quorum that is when there is a leader. */
export async function startZookeeperNode(node: ZookeeperNode): Promise<ServerProcess> {
  const { name, located, folder, port, options, files } = node;
  const index = indexOf(node);
  const configuration = join(folder, "zoo.cfg");
  const data = join(folder, "data");
  mkdirSync(data);
  writeFileSync(join(data, "myid"), `${node.number ?? 1}\n`);
  writeFileSync(configuration, `${[...settings(node, data), ...node.quorum].join("\n")}\n`);
  if (options.password !== undefined) writeFileSync(join(folder, "jaas.conf"), logins(options.password));
  const args = [...javaArguments(options, folder), "-cp", program(located, "classpath")];
  await relayTo(options.hosts, index, [port]);
  return startProcess({
    name,
    port,
    folder,
    launch: launchOn(options.hosts, index, {
      command: program(located, "java"),
      args: [...args, "org.apache.zookeeper.server.quorum.QuorumPeerMain", configuration],
    }),
    isReady: async () => (await zookeeperMode(portOf(port, options, files))) !== undefined,
    stopSignal: "SIGTERM",
  });
}

export function portOf(
  port: number,
  { clientCertificates = false }: ZookeeperOptions,
  files: Certificate | undefined,
): ZookeeperPort {
  return { port, ca: files?.certificate, key: clientCertificates ? files?.key : undefined };
}

const indexOf = ({ number = 1 }: ZookeeperNode): number => number - 1;

function settings(node: ZookeeperNode, data: string): readonly string[] {
  const { port, folder, options, files } = node;
  const host = hostOf(options.hosts, indexOf(node));
  const [min, max] = options.sessionTimeouts ?? [1_000, 60_000];
  const pem = join(folder, "store.pem");
  if (files) writeFileSync(pem, `${readFileSync(files.key, "utf8")}${readFileSync(files.certificate, "utf8")}`);
  const listening = files
    ? [
        ...[
          `secureClientPort=${port}`,
          `secureClientPortAddress=${host}`,
          `ssl.clientAuth=${options.clientCertificates ? "need" : "none"}`,
        ],
        ...["serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory"],
        ...[`ssl.keyStore.location=${pem}`, `ssl.trustStore.location=${files.certificate}`],
      ]
    : [`clientPort=${port}`, `clientPortAddress=${host}`];
  return [
    ...["tickTime=500", "initLimit=20", "syncLimit=4", `dataDir=${data}`, "admin.enableServer=false"],
    ...["4lw.commands.whitelist=*", "maxClientCnxns=0", `minSessionTimeout=${min}`, `maxSessionTimeout=${max}`],
    ...listening,
  ];
}

function javaArguments(
  { durable, ttlNodes = true, password, args }: ZookeeperOptions,
  folder: string,
): readonly string[] {
  const properties = {
    "java.net.preferIPv4Stack": "true",
    "org.slf4j.simpleLogger.defaultLogLevel": "warn",
    "zookeeper.forceSync": durable ? "yes" : "no",
    // 64 MB otherwise.
    "zookeeper.preAllocSize": "1024",
    "zookeeper.extendedTypesEnabled": String(ttlNodes),
    "znode.container.checkIntervalMs": "1000",
    ...(password === undefined
      ? {}
      : {
          "java.security.auth.login.config": join(folder, "jaas.conf"),
          "zookeeper.authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
          "zookeeper.sessionRequireClientSASLAuth": "true",
        }),
  };
  const small = ["-Xms32m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
  return [...small, ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`), ...(args ?? [])];
}

function logins(password: string): string {
  return `Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_jobferry="${password}"; };\n`;
}
