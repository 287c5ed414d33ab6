/**
 * The stores' own clients, without anything of ours above them: a transaction that stores jobs under their ids, one that takes them under a session, and one that
 * ends them. Each takes the names of its jobs; a refusal throws.
 */
import { ConsulClient } from "../../dist/drivers/consul/client/consul-client.js";
import { KeyValues } from "../../dist/drivers/consul/client/key-values.js";
import { Sessions } from "../../dist/drivers/consul/client/sessions.js";
import { resolveOptions as consulOptions } from "../../dist/drivers/consul/options.js";
import { EtcdClient } from "../../dist/drivers/etcd/client/etcd-client.js";
import { resolveOptions as etcdOptions } from "../../dist/drivers/etcd/options.js";
import { KeptClient } from "../../dist/drivers/zookeeper/client/kept-client.js";
import { failureIn, readWriteResults } from "../../dist/drivers/zookeeper/client/replies.js";
import { EVERYBODY, requests } from "../../dist/drivers/zookeeper/client/requests.js";
import { Servers } from "../../dist/drivers/zookeeper/client/servers.js";
import { resolveOptions as zookeeperOptions } from "../../dist/drivers/zookeeper/options.js";
import { systemClock } from "../../dist/runtime/index.js";

const VALUE = new Uint8Array(300).fill(7);
const CALL_MS = 10_000;

async function etcd(url, place) {
  const client = new EtcdClient({ ...etcdOptions({ url }), callMs: CALL_MS });
  const { lease } = await client.grant(20);
  const alive = { key: `${place}/alive`, exists: true };
  await client.transact([], [{ put: alive.key, value: new Uint8Array(), lease }]);
  const [id, ready, held] = ["i", "r", "p"].map((area) => (one) => `${place}/${area}/${one}`);
  const put = (key) => ({ put: key, value: VALUE });
  const run = async (compares, writes) => {
    const { succeeded, revision } = await client.transact([alive, ...compares], writes);
    if (!succeeded) throw new Error("etcd refused a transaction");
    return revision;
  };
  let [pushed, taken] = [0n, 0n];
  return {
    async push(ids) {
      const absent = ids.map((one) => ({ key: id(one), exists: false }));
      pushed = await run(
        absent,
        ids.flatMap((one) => [put(id(one)), put(ready(one))]),
      );
    },
    async claim(ids) {
      const same = ids.map((one) => ({ key: ready(one), modRevision: pushed }));
      taken = await run(
        same,
        ids.flatMap((one) => [{ delete: ready(one) }, put(held(one))]),
      );
    },
    async finish(ids) {
      const same = ids.map((one) => ({ key: held(one), modRevision: taken }));
      await run(
        same,
        ids.flatMap((one) => [{ delete: held(one) }, { delete: id(one) }]),
      );
    },
    close: () => client.close(),
  };
}

async function consul(url, place) {
  const { address, token, tls } = consulOptions({ address: url });
  const client = new ConsulClient({ address, token, tls, callMs: CALL_MS, clock: systemClock });
  const keys = new KeyValues(client, `${place}/`);
  const session = await new Sessions(client, "Consul").create(20_000);
  const [id, ready, held] = ["i", "r", "p"].map((area) => (one) => `${area}/${one}`);
  const alive = { verb: "lock", key: "alive", value: new Uint8Array(), session };
  const set = (key) => ({ verb: "set", key, value: VALUE });
  const drop = (key) => ({ verb: "delete", key });
  const run = async (verbs) => {
    const committed = await keys.commit(keys.bodyOf([alive, ...verbs]));
    if (!committed.ok) throw new Error("Consul refused a transaction");
    return committed.index;
  };
  let [pushed, taken] = [0, 0];
  return {
    async push(ids) {
      const absent = (key) => ({ verb: "check-not-exists", key });
      pushed = await run(ids.flatMap((one) => [absent(id(one)), set(id(one)), set(ready(one))]));
    },
    async claim(ids) {
      const same = (key) => ({ verb: "check-index", key, index: pushed });
      taken = await run(ids.flatMap((one) => [same(ready(one)), drop(ready(one)), set(held(one))]));
    },
    async finish(ids) {
      const same = (key) => ({ verb: "check-index", key, index: taken });
      await run(ids.flatMap((one) => [same(held(one)), drop(held(one)), drop(id(one))]));
    },
    close: async () => client.close(),
  };
}

async function zookeeper(url, place) {
  const settings = zookeeperOptions({ url });
  const servers = new Servers({ ...settings, clock: systemClock });
  const plan = { servers, clock: systemClock, connectMs: settings.connectMs, callMs: CALL_MS };
  const client = new KeptClient(plan, { event: () => undefined, reconnected: () => undefined });
  await client.open();
  const create = (path, data = VALUE, mode = "persistent") => ({ op: "create", path, data, mode, acl: EVERYBODY });
  const remove = (path) => ({ op: "delete", path, version: 0 });
  const alive = `/${place}/alive`;
  const areas = [`/${place}`, ...["i", "r", "p"].map((area) => `/${place}/${area}`)];
  for (const path of areas) await client.call(requests.write(create(path, new Uint8Array())));
  await client.call(requests.write(create(alive, new Uint8Array(), "ephemeral")));
  const [id, ready, held] = ["i", "r", "p"].map((area) => (one) => `/${place}/${area}/${one}`);
  const run = async (ops) => {
    const { body } = await client.call(requests.multi([{ op: "check", path: alive, version: 0 }, ...ops]));
    if (failureIn(readWriteResults(body)) !== undefined) throw new Error("ZooKeeper refused a transaction");
  };
  return {
    // That there is no such id is what its creation checks, and each deletion its version.
    push: (ids) => run(ids.flatMap((one) => [create(id(one)), create(ready(one))])),
    claim: (ids) => run(ids.flatMap((one) => [remove(ready(one)), create(held(one))])),
    finish: (ids) => run(ids.flatMap((one) => [remove(held(one)), remove(id(one))])),
    close: () => client.close(),
  };
}

export const RAW_CLIENTS = { etcd, consul, zookeeper };
