import { shownEndpoint } from "../../src/drivers/etcd/client/endpoint.ts";
import { EtcdClient } from "../../src/drivers/etcd/client/etcd-client.ts";
import { listKeys } from "../../src/drivers/etcd/listing.ts";
import { type EtcdStoreOptions, resolveOptions } from "../../src/drivers/etcd/options.ts";

/** Operations that etcd takes at once. */
const AT_ONCE = 128;

/** @throws INVALID_ARGUMENT */
export function shownEtcd(options: EtcdStoreOptions): string {
  return resolveOptions(options).endpoints.map(shownEndpoint).join(",");
}

/** Removes all keys below the prefix, by the library's inner client, which logs in as the nodes do. Users have `etcdctl del --prefix`. */
export async function removeEtcdKeys(options: EtcdStoreOptions): Promise<void> {
  const settings = resolveOptions(options);
  const client = new EtcdClient(settings);
  try {
    const { entries } = await listKeys(client, `${settings.prefix}/`);
    const removals = entries.map(({ key }) => ({ delete: key }));
    for (let i = 0; i < removals.length; i += AT_ONCE) await client.transact([], removals.slice(i, i + AT_ONCE));
  } finally {
    await client.close();
  }
}
