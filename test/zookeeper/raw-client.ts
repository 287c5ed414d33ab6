/** The client as the store uses it, for tests of its own. */
import { KeptClient } from "../../src/drivers/zookeeper/client/kept-client.ts";
import type { Login } from "../../src/drivers/zookeeper/client/authentication.ts";
import type { WatchedEvent } from "../../src/drivers/zookeeper/client/replies.ts";
import { Servers, type ServersPlan } from "../../src/drivers/zookeeper/client/servers.ts";
import { systemClock } from "../../src/runtime/index.ts";

export const TIMES = { clock: systemClock, connectMs: 5_000, callMs: 3_000 } as const;

export function serversAt(
  ports: readonly number[],
  options: Readonly<{ login?: Login; tls?: ServersPlan["tls"]; maxRequestBytes?: number; callMs?: number }> = {},
): Servers {
  const { login, tls, maxRequestBytes = 1_048_575, callMs = TIMES.callMs } = options;
  const addresses = ports.map((port) => ({ host: "127.0.0.1", port }));
  return new Servers({ ...TIMES, addresses, login, tls, maxRequestBytes, callMs });
}

/** With what it heard. */
export async function keptClient(
  servers: Servers,
  heard: WatchedEvent[] = [],
  reconnected: () => void = () => undefined,
): Promise<KeptClient & AsyncDisposable> {
  const client = new KeptClient({ servers, ...TIMES }, { event: (event) => heard.push(event), reconnected });
  await client.open();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
}
