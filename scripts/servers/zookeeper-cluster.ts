import { createCertificate } from "./certificate.ts";
import { freePorts } from "./free-port.ts";
import { hostOf } from "./hosts.ts";
import { program } from "./locate.ts";
import type { Located } from "./locate.ts";
import { runningServer } from "./running-server.ts";
import { HOST, refuseOptions } from "./server.ts";
import type { RunningServer, ServerKind, ServerNode } from "./server.ts";
import { serverFolder } from "./server-process.ts";
import { waitUntil } from "./wait-until.ts";
import { zookeeperMode } from "./zookeeper-command.ts";
import type { ZookeeperPort } from "./zookeeper-command.ts";
import { portOf, startZookeeperNode, zookeeper38, zookeeperNeeds } from "./zookeeper.ts";
import type { ZookeeperOptions } from "./zookeeper.ts";

const NODES = 3;

/** Three servers, one of which they elect. They notice a leader that hangs within two seconds (`syncLimit` ticks). */
export const zookeeperCluster: ServerKind<ZookeeperOptions> = {
  name: "zookeeper-cluster",
  needs: zookeeperNeeds,
  start: (options, located) => start("zookeeper-cluster", options, located),
};

/** The same of Debian 12's version. */
export const zookeeper38Cluster: ServerKind<ZookeeperOptions> = {
  name: "zookeeper-3.8-cluster",
  needs: zookeeper38.needs,
  start: (options, located) => start("zookeeper-3.8-cluster", options, located),
};

/** Which of the nodes leads; undefined also where none says so in time. Without TLS only. */
export async function zookeeperLeader({ nodes }: Pick<RunningServer, "nodes">): Promise<ServerNode | undefined> {
  const modes = await Promise.all(nodes.map((node) => zookeeperMode(node).catch(() => undefined)));
  return nodes[modes.indexOf("leader")];
}

async function start(kind: string, options: ZookeeperOptions, located: Located): Promise<RunningServer> {
  refuseOptions(kind, options, ["readOnly"]);
  const ports = await freePorts(3 * NODES);
  const clientPorts = ports.slice(0, NODES);
  const quorum = clientPorts.map(
    (_, index) =>
      `server.${index + 1}=${hostOf(options.hosts, index)}:${ports[NODES + index]}:${ports[2 * NODES + index]}`,
  );
  const folders = await Promise.all(clientPorts.map((_, index) => serverFolder(nameOf(index))));
  const files = options.tls ? await createCertificate(folders[0] ?? "") : undefined;
  const nodes = await Promise.all(
    clientPorts.map((port, index) => {
      const folder = folders[index] ?? "";
      return startZookeeperNode({
        name: nameOf(index),
        located,
        folder,
        port,
        options,
        files,
        quorum,
        number: index + 1,
      });
    }),
  );
  const ca = files?.certificate;
  const waitUntilReady = (): Promise<void> => waitUntilWhole(nodes.map(({ port }) => portOf(port, options, files)));
  await waitUntilReady();
  const url = `zookeeper${files ? "s" : ""}://${clientPorts.map((port) => `${HOST}:${port}`).join(",")}`;
  const endpoints = Object.fromEntries(nodes.map(({ name, port }) => [name, `${HOST}:${port}`]));
  // Only the leader listens on the port of the quorum.
  const innerPorts = Object.fromEntries(
    nodes.flatMap(({ name }, index) => [
      [`${name} quorum`, ports[NODES + index] ?? 0],
      [`${name} election`, ports[2 * NODES + index] ?? 0],
    ]),
  );
  const description = { kind, version: program(located, "version"), url, endpoints, innerPorts };
  return runningServer({ ...description, ...(ca === undefined ? {} : { ca }) }, nodes, { waitUntilReady });
}

function nameOf(index: number): string {
  return `zookeeper-${index + 1}`;
}

function waitUntilWhole(ports: readonly ZookeeperPort[]): Promise<void> {
  return waitUntil("one leads and two follow", async () => {
    const modes = await Promise.all(ports.map(zookeeperMode));
    return modes.filter((mode) => mode === "leader").length === 1 && !modes.includes(undefined);
  });
}
