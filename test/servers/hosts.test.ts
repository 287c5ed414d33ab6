/** Servers on hosts of their own, whose lines to each other are cut: what no proxy before a server can do, because nobody else may notice. */
import { expect, test } from "vitest";
import { etcdGateway } from "../../scripts/servers/etcd-gateway.ts";
import { startHosts } from "../../scripts/servers/hosts.ts";
import { runProgram } from "../../scripts/servers/run-program.ts";
import { isWhole, leaderOf, splitLeader, type VotedStore } from "../chaos/voted-servers.ts";
import { areHostsAvailable, isServerAvailable, startServer } from "./shared-server.ts";

const STORES: readonly VotedStore[] = ["etcd", "consul", "zookeeper"];

for (const store of (await areHostsAvailable()) ? STORES : []) {
  if (await isServerAvailable(`${store}-cluster`)) onServersOf(store);
}

test.runIf(await areHostsAvailable())("those that try the same network first have addresses of their own", async () => {
  await using first = await startHosts(2, 7);
  const rest = await Promise.all([startHosts(2, 7), startHosts(2, 7)]);
  const addresses = [first, ...rest].flatMap((hosts) => [hosts.address(0), hosts.address(1)]);
  await Promise.all(rest.map((hosts) => hosts[Symbol.asyncDispose]()));
  expect(new Set(addresses).size).toBe(6);
});

function onServersOf(store: VotedStore): void {
  test(`${store}: the leader is cut off from the others, which elect another one; then they are one again`, async () => {
    const before = await linksHere();
    {
      await using hosts = await startHosts(3);
      await using server = await startServer(`${store}-cluster`, { durable: true, hosts });
      const first = await leaderOf(store, server);
      const heal = await splitLeader(store, server, hosts);
      // It is reached from here all the time, in contrast to one whose process is stopped.
      if (store === "etcd") {
        const status = (): ReturnType<typeof etcdGateway> => etcdGateway(first, "/v3/maintenance/status");
        await expect
          .poll(async () => (await status())["errors"], { timeout: 10_000 })
          .toEqual(["etcdserver: no leader"]);
      }
      await heal();
      await isWhole(store, server);
    }
    expect(await linksHere()).toBe(before);
  });
}

/** Other tests of a run may have their own. */
async function linksHere(): Promise<number> {
  return (await runProgram("ip", ["-o", "link"])).split("\n").filter((line) => / jf[\da-f]+-\d/.test(line)).length;
}
