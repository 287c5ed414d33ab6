import { invalidArgument, JobferryError } from "../../errors/index.ts";
import { checkOptions, parseDuration } from "../../runtime/index.ts";
import type { Duration } from "../../runtime/index.ts";
import { parseEndpoints, parseUrl } from "./address.ts";
import type { Address } from "./address.ts";
import type { Endpoint } from "./client/endpoint.ts";
import type { Credentials } from "./client/login.ts";

export type EtcdStoreOptions = Readonly<{
  /** `etcd://[user:password@]host:2379,host:2379`, or `etcds://` for TLS. Either this or `endpoints`. */
  url?: string;
  /** The nodes of one cluster: `host:2379`, `http://host:2379` or, for TLS, `https://host:2379`. */
  endpoints?: readonly string[];
  /** Beside `endpoints`. */
  username?: string;
  password?: string;
  /** With TLS: passed to Node's `tls.connect` as it is (`ca`, `cert`, `key`, `servername`, `rejectUnauthorized` …). */
  tls?: object;
  /** All keys begin with it and a slash. Default "jobferry". */
  prefix?: string;
  /** How long one call may take before it fails with UNAVAILABLE. Default "3s". */
  callTimeout?: Duration;
  /** How long opening may take. Default "10s". */
  connectTimeout?: Duration;
}>;

export type Settings = Readonly<{
  endpoints: readonly Endpoint[];
  credentials: Credentials | undefined;
  isSecure: boolean;
  prefix: string;
  callMs: number;
  connectMs: number;
}>;

export const ETCD_OPTIONS: readonly string[] = [
  ...["url", "endpoints", "username", "password", "tls", "prefix", "callTimeout", "connectTimeout"],
];
const MAX_PREFIX = 100;
/** gRPC tells the server at most eight digits. */
const MAX_CALL_MS = 86_400_000;

/** @throws INVALID_ARGUMENT; of what may hold a password it repeats nothing. */
export function resolveOptions(options: EtcdStoreOptions): Settings {
  checkOptions("etcd", options, ETCD_OPTIONS);
  const { tls, prefix = "jobferry" } = options;
  const { nodes, isSecure, credentials } = addressOf(options);
  if (tls !== undefined && (typeof tls !== "object" || tls === null))
    throw invalidArgument("tls", tls, "an object of options for tls.connect");
  if (tls !== undefined && !isSecure)
    throw new JobferryError("INVALID_ARGUMENT", "tls wants an etcds:// URL, or endpoints that begin with https://.");
  if (typeof prefix !== "string" || !/^[A-Za-z0-9._~/-]+$/.test(prefix) || prefix.length > MAX_PREFIX)
    throw invalidArgument("prefix", prefix, `1 to ${MAX_PREFIX} characters of A-Z a-z 0-9 . _ ~ / and -`);
  return {
    endpoints: nodes.map((node) => ({ ...node, tls: isSecure ? { ...tls } : undefined })),
    credentials,
    isSecure,
    prefix,
    callMs: parseDuration(options.callTimeout ?? "3s", "callTimeout", { min: 1, max: MAX_CALL_MS }),
    connectMs: parseDuration(options.connectTimeout ?? "10s", "connectTimeout", { min: 1 }),
  };
}

function addressOf({ url, endpoints, username, password }: EtcdStoreOptions): Address {
  if ((url === undefined) === (endpoints === undefined))
    throw new JobferryError("INVALID_ARGUMENT", "etcd wants either url or endpoints, and not both.");
  if (endpoints === undefined) {
    if (username !== undefined || password !== undefined)
      throw new JobferryError(
        "INVALID_ARGUMENT",
        "username and password stand beside endpoints. Write them into the url.",
      );
    return parseUrl(url);
  }
  for (const [name, value] of Object.entries({ username, password })) {
    if (value !== undefined && (typeof value !== "string" || value === ""))
      throw new JobferryError("INVALID_ARGUMENT", `${name} must be text.`);
  }
  if ((username === undefined) !== (password === undefined))
    throw new JobferryError("INVALID_ARGUMENT", "username and password belong together.");
  const credentials = username === undefined || password === undefined ? undefined : { user: username, password };
  return { ...parseEndpoints(endpoints), credentials };
}
