import { invalidArgument, JobferryError } from "../../errors/index.ts";
import { checkOptions, parseDuration } from "../../runtime/index.ts";
import type { Duration } from "../../runtime/index.ts";
import { parseAddress } from "./client/address.ts";
import type { Address } from "./client/address.ts";
import type { ConsulTls } from "./client/http-line.ts";

export type ConsulDriverOptions = Readonly<{
  /**
   * Where agents or servers of one datacenter listen: `host:port`, `consul://[:TOKEN@]host:port`, with TLS `consuls://…`; several with commas between
   * them or in an array. The first is used until there is trouble with it, then the next.
   */
  address: string | readonly string[];
  /** Of Consul's ACLs. Here or in the address. */
  token?: string;
  /** Certificates and keys; it makes an address without a scheme one with TLS. */
  tls?: ConsulTls;
  /** What all keys begin with, before a "/". Default "jobferry". */
  prefix?: string;
  /** How long one call may take before it fails with UNAVAILABLE. Default "3s". */
  callTimeout?: Duration;
  /** How long opening waits for a leader before it fails. Default "10s". */
  connectTimeout?: Duration;
}>;

export type Settings = Readonly<{
  address: Address;
  token: string | undefined;
  tls: ConsulTls | undefined;
  prefix: string;
  callMs: number;
  connectMs: number;
}>;

const KNOWN = ["address", "token", "tls", "prefix", "callTimeout", "connectTimeout"] as const;
const TLS_KNOWN = ["ca", "cert", "key", "passphrase", "serverName"] as const;

export function resolveOptions(options: ConsulDriverOptions): Settings {
  checkOptions("consulDriver", options, KNOWN);
  const { prefix = "jobferry" } = options;
  const address = addressOf(options.address, options.tls !== undefined);
  const tls = tlsOf(options.tls, address);
  if (typeof prefix !== "string" || !/^[A-Za-z0-9._~-]+(?:\/[A-Za-z0-9._~-]+)*$/.test(prefix) || prefix.length > 200)
    throw invalidArgument(
      "prefix",
      prefix,
      'at most 200 characters of A-Z a-z 0-9 . _ ~ and -, with "/" between parts',
    );
  return {
    address,
    token: tokenOf(options.token, address),
    tls,
    prefix,
    callMs: parseDuration(options.callTimeout ?? "3s", "callTimeout", { min: 1 }),
    connectMs: parseDuration(options.connectTimeout ?? "10s", "connectTimeout", { min: 1 }),
  };
}

function addressOf(given: unknown, withTls: boolean): Address {
  if (!Array.isArray(given)) return parseAddress(given as string, withTls);
  if (given.length === 0) throw new JobferryError("INVALID_ARGUMENT", "address is an empty array; name one place.");
  const [first, ...others] = given.map((one) => parseAddress(one as string, withTls));
  if (first === undefined || others.some(({ tls, token }) => tls !== first.tls || token !== first.token))
    throw new JobferryError("INVALID_ARGUMENT", "All places in address must have the same scheme and token.");
  const endpoints = [...first.endpoints, ...others.flatMap((other) => other.endpoints)] as const;
  const shown = [first.shown, ...others.map((other) => other.shown.replace(/^\w+:\/\//, ""))].join(",");
  return { ...first, endpoints: endpoints as Address["endpoints"], shown };
}

/** No value is repeated in a message: keys and tokens are secrets. */
function tlsOf(tls: ConsulTls | undefined, address: Address): ConsulTls | undefined {
  if (tls === undefined) return address.tls === true ? {} : undefined;
  if (typeof tls !== "object" || tls === null)
    throw new JobferryError("INVALID_ARGUMENT", `tls must be an object of ${TLS_KNOWN.join(", ")}.`);
  checkOptions("tls", tls, TLS_KNOWN);
  if (address.tls === false)
    throw new JobferryError(
      "INVALID_ARGUMENT",
      "tls is given, but the address says otherwise. Write it as consuls://.",
    );
  if ((tls.cert === undefined) !== (tls.key === undefined))
    throw new JobferryError("INVALID_ARGUMENT", "tls.cert and tls.key belong together. Give both, or neither.");
  return tls;
}

function tokenOf(token: unknown, address: Address): string | undefined {
  if (token === undefined) return address.token;
  if (typeof token !== "string" || !/^[\x21-\x7e]{1,500}$/.test(token))
    throw new JobferryError("INVALID_ARGUMENT", "token must be text without white space.");
  if (address.token !== undefined)
    throw new JobferryError("INVALID_ARGUMENT", "There is a token in the address and one in token. Give one of them.");
  return token;
}
