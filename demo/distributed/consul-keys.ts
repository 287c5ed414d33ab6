import { ConsulClient } from "../../src/drivers/consul/client/consul-client.ts";
import { type ConsulDriverOptions, resolveOptions } from "../../src/drivers/consul/options.ts";
import { systemClock } from "../../src/runtime/index.ts";

/** Without the token. @throws INVALID_ARGUMENT */
export function shownConsul(options: ConsulDriverOptions): string {
  return resolveOptions(options).address.shown.replace(/^consuls?:\/\//, "");
}

/** Removes all keys below the prefix, by the library's inner client, which takes the token wherever it stands. Users have `consul kv delete -recurse`. */
export async function removeConsulKeys(options: ConsulDriverOptions): Promise<void> {
  const settings = resolveOptions(options);
  const client = new ConsulClient({ ...settings, clock: systemClock });
  const verbs = [{ KV: { Verb: "delete-tree", Key: `${settings.prefix}/` } }];
  try {
    await client.call({ method: "PUT", path: "/v1/txn", body: JSON.stringify(verbs) });
  } finally {
    client.close();
  }
}
