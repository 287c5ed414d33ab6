/** On the stores' own small clients, which send nothing of themselves, without our store above them. */
import { ConsulClient } from "../../dist/drivers/consul/client/consul-client.js";
import { Sessions } from "../../dist/drivers/consul/client/sessions.js";
import { resolveOptions as consulOptions } from "../../dist/drivers/consul/options.js";
import { EtcdClient } from "../../dist/drivers/etcd/client/etcd-client.js";
import { resolveOptions as etcdOptions } from "../../dist/drivers/etcd/options.js";
import { EVERYBODY, requests } from "../../dist/drivers/zookeeper/client/requests.js";
import { Servers } from "../../dist/drivers/zookeeper/client/servers.js";
import { resolveOptions as zookeeperOptions } from "../../dist/drivers/zookeeper/options.js";
import { systemClock } from "../../dist/runtime/index.js";

const CALL_MS = 10_000;
const SESSION_MS = 10_000;
/** Whatever version the node has. */
const ANY = -1;
const ME = new TextEncoder().encode("me");

/**
 * Two writes for a lock, because taking and giving back are both confirmed by a majority, and one request for a sign of life. A lock hangs on what ends with
 * its holder (lease, session): without that it would stay for ever after a crash, so this is the least that anybody writes.
 */
export const rawCoordinated = {
  /** Whoever creates the key has the lock. The lease takes it away from a dead holder. */
  async etcd(url) {
    const client = new EtcdClient({ ...etcdOptions({ url }), callMs: CALL_MS });
    const { lease } = await client.grant(SESSION_MS / 1_000);
    const key = "raw/free";
    return {
      what: "a transaction that puts an absent key under a lease, and one that deletes it; the beat keeps the lease alive",
      beat: () => client.keepAlive(lease),
      lockAndUnlock: async () => {
        const { succeeded } = await client.transact([{ key, exists: false }], [{ put: key, value: ME, lease }]);
        if (!succeeded) throw new Error("etcd refused a lock that is free");
        await client.transact([], [{ delete: key }]);
      },
      close: () => client.close(),
    };
  },

  /** The key stays: deleting it would be a third write. */
  async consul(url) {
    const { address, token, tls } = consulOptions({ address: url });
    const client = new ConsulClient({ address, token, tls, callMs: CALL_MS, clock: systemClock });
    const sessions = new Sessions(client, "Consul");
    const session = await sessions.create(SESSION_MS);
    const put = async (how) => {
      const { json } = await client.call({ method: "PUT", path: `/v1/kv/raw/free?${how}=${session}`, body: "me" });
      if (json !== true) throw new Error(`Consul refused to ${how} a lock`);
    };
    return {
      what: "PUT of a key with acquire and with release; the beat renews the session",
      beat: () => sessions.renew(session),
      lockAndUnlock: async () => {
        await put("acquire");
        await put("release");
      },
      close: async () => client.close(),
    };
  },

  /** A ping is all that the client of ZooKeeper itself sends for its session. */
  async zookeeper(url) {
    const settings = zookeeperOptions({ url });
    const servers = new Servers({ ...settings, clock: systemClock });
    const connection = await servers.attach({ timeoutMs: SESSION_MS, withinMs: CALL_MS });
    const path = "/raw-free";
    const create = { op: "create", path, data: ME, mode: "ephemeral", acl: EVERYBODY };
    return {
      what: "create and delete of an ephemeral node; the beat is a ping",
      beat: () => connection.call(requests.ping),
      lockAndUnlock: async () => {
        await connection.call(requests.write(create));
        await connection.call(requests.write({ op: "delete", path, version: ANY }));
      },
      close: async () => {
        await connection.call(requests.closeSession);
        connection.destroy("The benchmark is over.");
      },
    };
  },
};
