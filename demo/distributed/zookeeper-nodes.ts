import { KeptClient } from "../../src/drivers/zookeeper/client/kept-client.ts";
import { readNames } from "../../src/drivers/zookeeper/client/replies.ts";
import { ANY, requests } from "../../src/drivers/zookeeper/client/requests.ts";
import { Servers } from "../../src/drivers/zookeeper/client/servers.ts";
import { Code, isAnswer } from "../../src/drivers/zookeeper/client/zookeeper-error.ts";
import { resolveOptions, shownServers, type ZookeeperOptions } from "../../src/drivers/zookeeper/options.ts";
import { systemClock } from "../../src/runtime/index.ts";

/** @throws INVALID_ARGUMENT */
export function shownZookeeper(options: ZookeeperOptions): string {
  return shownServers(resolveOptions(options));
}

/**
 * Removes a node with all below it. ZooKeeper has no such request: the children go before their parent. Nobody may use the nodes meanwhile. This
 * is the library's inner client, which users do not have; they have ZooKeeper's own `deleteall`.
 */
export async function removeZookeeperNodes(options: ZookeeperOptions): Promise<void> {
  const settings = resolveOptions(options);
  const servers = new Servers({ ...settings, clock: systemClock });
  const client = new KeptClient({ ...settings, servers, clock: systemClock }, { event: ignore, reconnected: ignore });
  await client.open();
  try {
    await remove(client, settings.root);
  } finally {
    await client.close();
  }
}

async function remove(client: KeptClient, path: string): Promise<void> {
  try {
    const { body } = await client.call(requests.getChildren2(path));
    for (const name of readNames(body)) await remove(client, `${path}/${name}`);
    await client.call(requests.write({ op: "delete", path, version: ANY }));
  } catch (error) {
    // An ephemeral one went with its session.
    if (!isAnswer(error, Code.noNode)) throw error;
  }
}

function ignore(): void {
  // Nobody watches.
}
