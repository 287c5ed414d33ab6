import { JobferryError } from "../../errors/index.ts";
import type { EtcdClient } from "./client/etcd-client.ts";
import { textOf } from "./client/protobuf.ts";
import type { EtcdKeys } from "./keys.ts";

const LAYOUT = 1;

/**
 * Makes the key that names the layout, or reads it. By a write: so a user who may only read, and a cluster without a majority, are found now and
 * not when it is too late.
 * @throws STORE_NEWER, STORE_FOREIGN; what the client throws.
 */
export async function checkLayout(client: EtcdClient, keys: EtcdKeys): Promise<void> {
  const key = keys.layout;
  const value = new TextEncoder().encode(String(LAYOUT));
  const { succeeded } = await client.transact([{ key, exists: false }], [{ put: key, value }]);
  if (succeeded) return;
  const found = textOf((await client.get(key))?.value ?? value);
  if (found === String(LAYOUT)) return;
  if (/^\d{1,4}$/.test(found))
    throw new JobferryError(
      "STORE_NEWER",
      `The keys under "${keys.root}" have layout ${found}; this version of Jobferry reads ${LAYOUT}. Upgrade Jobferry here.`,
    );
  throw new JobferryError("STORE_FOREIGN", `The keys under "${keys.root}" are not Jobferry's. Choose another prefix.`);
}
