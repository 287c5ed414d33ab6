import type { Durability } from "../../contract/index.ts";
import { JobferryError, UnsupportedError } from "../../errors/index.ts";
import type { RedisConnection } from "./clients/connection.ts";

/** Bump with every change of a key or record. */
export const LAYOUT_VERSION = 1;

const OLDEST = [6, 2] as const;

export type Server = Readonly<{
  version: string;
  /** What a push survives that the server has answered. */
  durability: Durability;
  /** Whether WAITAOF can be asked. */
  waitsForDisk: boolean;
}>;

/**
 * What the driver needs of a server, by INFO, which everybody may run, and CONFIG where that is allowed.
 * @throws UNSUPPORTED for a server that is too old or may evict jobs, STORE_READ_ONLY for a replica.
 */
export async function checkServer(connection: RedisConnection, key: string): Promise<Server> {
  const info = readInfo(await connection.send(["INFO"], key));
  const version = info.get("valkey_version") ?? info.get("redis_version") ?? "0";
  // Valkey tells the Redis version that it is compatible with.
  const [major = 0, minor = 0] = (info.get("redis_version") ?? "0").split(".").map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    throw new UnsupportedError(
      "server version",
      `The server is version ${version.slice(0, 20)}; Redis 6.2, Valkey 7.2 or newer is needed. Upgrade it.`,
    );
  }
  if (info.get("role") === "slave") {
    throw new JobferryError(
      "STORE_READ_ONLY",
      "The server is a read-only replica. Connect to the primary, or through Sentinel or Cluster, which find it.",
      { retryable: true },
    );
  }
  checkEviction(info);
  const hasLog = info.get("aof_enabled") === "1";
  const fsync = hasLog ? await configured(connection, key, "appendfsync") : undefined;
  return {
    version,
    durability: !hasLog ? "process" : fsync === "always" ? "power" : "serverCrash",
    // A server that leaves syncing to the system never knows what is on the disk.
    waitsForDisk: hasLog && fsync !== "no" && (major > 7 || (major === 7 && minor >= 2)),
  };
}

/** Only keys with an expiry are evicted under volatile-*, and no job has one. */
function checkEviction(info: ReadonlyMap<string, string>): void {
  const policy = info.get("maxmemory_policy") ?? "noeviction";
  if (!policy.startsWith("allkeys-") || Number(info.get("maxmemory") ?? 0) === 0) return;
  throw new UnsupportedError(
    "maxmemory-policy",
    `The server's maxmemory-policy is ${policy.slice(0, 30)}: when memory runs out it throws jobs away. Set maxmemory-policy to noeviction.`,
  );
}

function readInfo(reply: unknown): ReadonlyMap<string, string> {
  const info = new Map<string, string>();
  for (const line of String(reply).split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0 && !line.startsWith("#")) info.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return info;
}

/** undefined where CONFIG may not be run, as on many hosted servers. A reply is a list with RESP2, a map with RESP3. */
async function configured(connection: RedisConnection, key: string, name: string): Promise<string | undefined> {
  try {
    const reply = await connection.send(["CONFIG", "GET", name], key);
    if (Array.isArray(reply)) return reply[1] === undefined ? undefined : String(reply[1]);
    const values = reply instanceof Map ? [...reply.values()] : Object.values(reply as object);
    return values[0] === undefined ? undefined : String(values[0]);
  } catch {
    return undefined;
  }
}
