/** etcd as a target of the coordination suite: a prefix for each case, and for each client lines of its own to every node, which can be cut. */
import { randomUUID } from "node:crypto";
import { base64, etcdGateway } from "../../../scripts/servers/etcd-gateway.ts";
import type { ServerAddress } from "../../../scripts/servers/server.ts";
import type { CoordinationStore } from "../../../src/contract/index.ts";
import { etcdCoordinationStore } from "../../../src/drivers/etcd/index.ts";
import type { CoordinationTarget } from "../../../src/testing/conformance/coordination/index.ts";
import { startTcpProxy, type TcpProxy } from "../../faults/tcp-proxy.ts";

const LONGEST_MS = 5_000;

export function etcdCoordinationTarget(server: ServerAddress): CoordinationTarget {
  const lines = new Map<CoordinationStore, readonly TcpProxy[]>();
  const background: Promise<void>[] = [];
  let prefix = "";
  const make = async (): Promise<CoordinationStore> => {
    const proxies = await Promise.all(nodesOf(server).map(startTcpProxy));
    const endpoints = proxies.map(({ host, port }) => `${host}:${port}`);
    const store = etcdCoordinationStore({ endpoints, prefix });
    lines.set(store, proxies);
    return store;
  };
  const heal = async (proxies: readonly TcpProxy[]): Promise<void> => {
    // A stream with a gap cannot go on.
    for (const proxy of proxies) proxy.cut("reset");
    await Promise.all(proxies.map((proxy) => proxy.pass()));
  };
  return {
    open: () => {
      prefix = `test-${randomUUID()}`;
      return make();
    },
    reopen: make,
    partition: (store) => {
      const proxies = lines.get(store) ?? [];
      for (const proxy of proxies) proxy.halfOpen();
      return () => heal(proxies);
    },
    crash: async (store) => {
      await Promise.all((lines.get(store) ?? []).map((proxy) => proxy.close()));
    },
    // Until the write has taken effect.
    loseAnswer: (store) => {
      const proxies = lines.get(store) ?? [];
      for (const proxy of proxies) proxy.dropResponses();
      background.push(firstWrite(server, prefix).then(() => heal(proxies)));
    },
    forgetHistory: async () => {
      const { header } = await etcdGateway(server, "/v3/kv/range", { key: base64("none") });
      await etcdGateway(server, "/v3/kv/compaction", header as Readonly<{ revision: string }>);
    },
    cleanup: async () => {
      await Promise.all(background.splice(0));
      await Promise.all([...lines.keys()].map((store) => store.close()));
      await Promise.all([...lines.values()].flat().map((proxy) => proxy.close()));
      lines.clear();
      await etcdGateway(server, "/v3/kv/deleterange", { key: base64(`${prefix}/`), range_end: base64(`${prefix}0`) });
    },
  };
}

function nodesOf({ endpoints }: ServerAddress): readonly Readonly<{ host: string; port: number }>[] {
  return Object.values(endpoints).map((text) => {
    const [host = "", port] = text.split(":");
    return { host, port: Number(port) };
  });
}

/** Until there is a key of the suite: the cases of lost answers begin with none. */
async function firstWrite(server: ServerAddress, prefix: string): Promise<void> {
  const range = { key: base64(`${prefix}/keys/`), range_end: base64(`${prefix}/keys0`), count_only: true };
  const end = performance.now() + LONGEST_MS;
  for (;;) {
    const { count = "0" } = await etcdGateway(server, "/v3/kv/range", range);
    if (count !== "0" || performance.now() > end) return;
    await new Promise(setImmediate);
  }
}
