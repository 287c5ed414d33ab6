import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { program } from "../../scripts/servers/locate.ts";
import type { ServerAddress } from "../../scripts/servers/server.ts";
import { findServer } from "../../scripts/servers/start-server.ts";
import { EtcdClient, type EtcdClientOptions } from "../../src/drivers/etcd/client/etcd-client.ts";
import { etcdCoordinationStore, type EtcdStoreOptions } from "../../src/drivers/etcd/index.ts";
import type { CoordinationStore } from "../../src/contract/index.ts";
import { systemClock } from "../../src/runtime/index.ts";

const run = promisify(execFile);

type Address = Readonly<{ host: string; port: number }>;

export function clientOn(
  addresses: readonly Address[],
  options: Partial<EtcdClientOptions> = {},
): EtcdClient & AsyncDisposable {
  const endpoints = addresses.map(({ host, port }) => ({ host, port, tls: undefined }));
  const client = new EtcdClient({ endpoints, callMs: 3_000, ...options });
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
}

export function addressesOf({ endpoints }: Pick<ServerAddress, "endpoints">): readonly Address[] {
  return Object.values(endpoints).map((text) => {
    const [host = "", port] = text.split(":");
    return { host, port: Number(port) };
  });
}

/** An open store under a prefix of its own. */
export async function storeOn(options: EtcdStoreOptions): Promise<CoordinationStore & AsyncDisposable> {
  const store = etcdCoordinationStore({ prefix: `test-${randomUUID()}`, ...options });
  await store.open({ clock: systemClock });
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

/** What Debian's etcdctl prints. */
export async function etcdctl({ port }: Pick<Address, "port">, ...args: readonly string[]): Promise<string> {
  const found = await findServer("etcd-3.4");
  if (found === "docker") throw new Error("etcdctl is not on this machine.");
  const env = { ...process.env, ETCDCTL_API: "3" };
  const { stdout } = await run(program(found, "etcdctl"), [`--endpoints=127.0.0.1:${port}`, ...args], { env });
  return stdout;
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** How long it took until it held. */
export async function until(holds: () => boolean | Promise<boolean>, withinMs: number): Promise<number> {
  const start = performance.now();
  while (!(await holds())) {
    if (performance.now() - start > withinMs) throw new Error(`still not so after ${withinMs} ms`);
    await wait(10);
  }
  return performance.now() - start;
}

/** What it failed with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}
