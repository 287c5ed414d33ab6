import type { Durability } from "../../contract/index.ts";
import { invalidArgument, JobferryError } from "../../errors/index.ts";
import { checkInteger, checkOptions, parseDuration } from "../../runtime/index.ts";
import type { Duration } from "../../runtime/index.ts";
import { parseAddress } from "./address.ts";
import type { Address } from "./address.ts";
import { isIoredis, isNodeRedis } from "./clients/client-types.ts";
import type { RedisClient } from "./clients/client-types.ts";

export type RedisDriverOptions = Readonly<{
  /** Where the server is. Either this or `client`. */
  url?: string;
  /** Your own client of ioredis or redis. It stays yours: `close()` leaves it open. Waiting uses a duplicate of it. */
  client?: RedisClient;
  /** With a URL: which library to use. Default: ioredis where it is installed, else redis. */
  library?: "ioredis" | "redis";
  /** With a URL: passed through to the library, for TLS, sockets, names and pools. */
  clientOptions?: object;
  /** What all keys begin with, inside their hash tag. Default "jobferry". */
  prefix?: string;
  /** In how many parts, each with a hash tag of its own, the store is split: on a cluster they spread over the nodes. Fixed when it is made. Default 1. */
  partitions?: number;
  /** `power`: a push resolves when the server has written it to disk. Default: as the server is set up. */
  durability?: Exclude<Durability, "unknown" | "quorum">;
  /** How many replicas must have a push, or what a cluster writes, before it resolves. Default 0. */
  replicas?: number;
  /** How long one call may take before it fails with UNAVAILABLE. Default "5s". */
  commandTimeout?: Duration;
  /** How long opening may take. Default "10s". */
  connectTimeout?: Duration;
  /** Whose time the scripts go by. `clock`: the queue's clock, for tests on a virtual one; wrong for processes with different clocks. Default "server". */
  time?: "server" | "clock";
}>;

export type Target = Readonly<{ address: Address }> | Readonly<{ client: RedisClient }>;

export type Settings = Readonly<{
  target: Target;
  library: "ioredis" | "redis" | undefined;
  clientOptions: object;
  prefix: string;
  partitions: number;
  durability: RedisDriverOptions["durability"];
  replicas: number;
  commandMs: number;
  connectMs: number;
  time: "server" | "clock";
}>;

const KNOWN = [
  "url",
  "client",
  "library",
  "clientOptions",
  "prefix",
  "partitions",
  "durability",
  "replicas",
  "commandTimeout",
  "connectTimeout",
  "time",
] as const;

export function resolveOptions(options: RedisDriverOptions): Settings {
  checkOptions("redisDriver", options, KNOWN);
  const { library, clientOptions = {}, prefix = "jobferry", durability, time = "server" } = options;
  if (library !== undefined && library !== "ioredis" && library !== "redis")
    throw invalidArgument("library", library, '"ioredis" or "redis"');
  if (typeof clientOptions !== "object" || clientOptions === null)
    throw invalidArgument("clientOptions", clientOptions, "an object");
  if (typeof prefix !== "string" || !/^[^{}\s]{1,100}$/.test(prefix))
    throw invalidArgument("prefix", prefix, "1 to 100 characters without braces and white space");
  if (time !== "server" && time !== "clock") throw invalidArgument("time", time, '"server" or "clock"');
  if (durability !== undefined && !["process", "serverCrash", "power"].includes(durability))
    throw invalidArgument("durability", durability, '"process", "serverCrash" or "power"');
  return {
    target: targetOf(options),
    library,
    clientOptions,
    prefix,
    partitions: checkInteger("partitions", options.partitions ?? 1, 1, 256),
    durability,
    replicas: checkInteger("replicas", options.replicas ?? 0, 0, 100),
    commandMs: parseDuration(options.commandTimeout ?? "5s", "commandTimeout", { min: 1 }),
    connectMs: parseDuration(options.connectTimeout ?? "10s", "connectTimeout", { min: 1 }),
    time,
  };
}

function targetOf({ url, client, library, clientOptions }: RedisDriverOptions): Target {
  if ((url === undefined) === (client === undefined))
    throw new JobferryError("INVALID_ARGUMENT", "redisDriver wants either url or client, and not both.");
  if (client === undefined) return { address: parseAddress(url ?? "") };
  const isClient = (typeof client === "object" || typeof client === "function") && client !== null;
  if (!isClient || !(isIoredis(client) || isNodeRedis(client)))
    throw invalidArgument("client", client, "a client of ioredis (5 or newer) or redis (5 or newer)");
  if (typeof client.duplicate !== "function")
    throw new JobferryError(
      "INVALID_ARGUMENT",
      "The client has no duplicate(), and waiting needs a connection of its own. Use a newer release of its library, or give a URL.",
    );
  if (library !== undefined || clientOptions !== undefined)
    throw new JobferryError("INVALID_ARGUMENT", "library and clientOptions belong to a URL; client is made already.");
  return { client };
}
