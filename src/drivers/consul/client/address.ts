import { JobferryError } from "../../../errors/index.ts";
import { urlFault } from "../../shared/url-fault.ts";

export type Endpoint = Readonly<{ host: string; port: number }>;

/** Where agents or servers of one Consul datacenter are. `shown` is for messages: without the token. */
export type Address = Readonly<{
  endpoints: readonly [Endpoint, ...Endpoint[]];
  /** undefined: the address does not say. */
  tls: boolean | undefined;
  token: string | undefined;
  shown: string;
}>;

const PATTERN = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(?:([^@]*)@)?([^/?#@]*)\/?$/i;
const SCHEMES: Readonly<Record<string, boolean>> = { consul: false, http: false, consuls: true, https: true };
const PORT = 8_500;
const TLS_PORT = 8_501;
const FORMS =
  "HOST[:PORT], consul://[:TOKEN@]HOST[:PORT] or, with TLS, consuls://[:TOKEN@]HOST[:PORT]; several hosts with commas between them; the prefix of its keys is an option";

/**
 * `withTls`: of an address without a scheme.
 * @throws INVALID_ARGUMENT without a word of the address: it may hold a token.
 */
export function parseAddress(text: string, withTls = false): Address {
  const match = typeof text === "string" ? PATTERN.exec(text.trim()) : null;
  if (match === null) throw wrong(urlFault(withScheme(text), /^(consul|http)s?$/i));
  const [, scheme, login, hosts = ""] = match;
  const tls = scheme === undefined ? undefined : SCHEMES[scheme.toLowerCase()];
  if (scheme !== undefined && tls === undefined) throw wrong("has a scheme that is not Consul's");
  const port = (tls ?? withTls) ? TLS_PORT : PORT;
  const [first, ...others] = hosts.split(",").map((host) => endpointOf(host.trim(), port));
  if (first === undefined) throw wrong("names no host");
  const names = [first, ...others].map(({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`);
  return {
    endpoints: [first, ...others],
    tls,
    token: login === undefined ? undefined : tokenOf(login),
    shown: `${(tls ?? withTls) ? "consuls" : "consul"}://${names.join(",")}`,
  };
}

/** An address may come without one. */
function withScheme(text: unknown): unknown {
  return typeof text !== "string" || text.includes("://") ? text : `consul://${text}`;
}

function endpointOf(text: string, defaultPort: number): Endpoint {
  const match = /^(\[[0-9a-f:.]+\]|[^\s:[\]]+)(?::(\d{1,5}))?$/i.exec(text);
  const port = match?.[2] === undefined ? defaultPort : Number(match[2]);
  if (match === null || port < 1 || port > 65_535) throw wrong("has a host or port that cannot be read");
  return { host: (match[1] ?? "").replace(/^\[|\]$/g, ""), port };
}

function tokenOf(login: string): string {
  if (!login.startsWith(":") || login.length === 1)
    throw wrong("has a login that is no token, which stands behind a colon");
  try {
    return decodeURIComponent(login.slice(1));
  } catch {
    throw wrong("has a % that encodes nothing");
  }
}

function wrong(what: string): JobferryError {
  return new JobferryError("INVALID_ARGUMENT", `The address of Consul ${what}. Write it as ${FORMS}.`);
}
