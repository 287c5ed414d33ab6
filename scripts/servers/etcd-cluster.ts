import { etcdNeeds, startEtcd } from "./etcd.ts";
import type { EtcdOptions } from "./etcd.ts";
import { etcdGateway } from "./etcd-gateway.ts";
import { refuseOptions } from "./server.ts";
import type { RunningServer, ServerKind, ServerNode } from "./server.ts";

/** Three nodes, any of which takes any call. One of them may be missing. */
export const etcdCluster: ServerKind<EtcdOptions> = {
  name: "etcd-cluster",
  needs: etcdNeeds,
  start: (options, located) => {
    refuseOptions("etcd-cluster", options, ["readOnly"]);
    return startEtcd("etcd-cluster", 3, options, located);
  },
};

/** Which of the nodes leads, as the first one says that has an answer. Without TLS and users only. */
export async function etcdLeader({ nodes }: Pick<RunningServer, "nodes">): Promise<ServerNode | undefined> {
  for (const node of nodes) {
    const status = await etcdGateway(node, "/v3/maintenance/status").catch(() => undefined);
    const { member_id: id } = (status?.["header"] ?? {}) as Readonly<{ member_id?: unknown }>;
    if (id !== undefined && id === status?.["leader"]) return node;
  }
  return undefined;
}
