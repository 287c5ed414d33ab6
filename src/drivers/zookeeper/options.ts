import type { ConnectionOptions } from "node:tls";
import { invalidArgument, JobferryError } from "../../errors/index.ts";
import { checkInteger, checkOptions, parseDuration, type Duration } from "../../runtime/index.ts";
import { urlFault } from "../shared/url-fault.ts";
import type { Login } from "./client/authentication.ts";
import type { Address } from "./client/connection.ts";

/** What Node.js takes for TLS; texts and bytes are PEM. */
export type ZookeeperTls = Readonly<{
  ca?: string | Uint8Array;
  cert?: string | Uint8Array;
  key?: string | Uint8Array;
  passphrase?: string;
  /** The name in the server's certificate, where it is not the host's. */
  servername?: string;
}>;

export type ZookeeperOptions = Readonly<{
  /** `host:port`, several with commas or as an array. The port is 2181 without one, 2281 with TLS. Either this or `url`. */
  servers?: string | readonly string[];
  /** `zookeeper://user:password@host:port,host:port/root`, `zookeepers://` with TLS; `?auth=sasl` for SASL. */
  url?: string;
  username?: string;
  password?: string;
  /** How `username` and `password` are shown: by ZooKeeper's own digest scheme (default), or by SASL DIGEST-MD5. */
  authentication?: "digest" | "sasl";
  /** With `servers`. `true`: the certificates of the system. In a `zookeepers://` URL's place it may hold what a URL cannot. */
  tls?: boolean | ZookeeperTls;
  /** The node below which everything lies. Default "/jobferry". */
  root?: string;
  /** Who may use the nodes that are made: everybody, or whoever is logged in as this one. Default: as the root is; one that is made: "creator" with a login, else "everybody". */
  access?: "everybody" | "creator";
  /** How long a call may take. Default "3s". */
  callTimeout?: Duration;
  /** How long connecting may take, all servers together. Default "5s". */
  connectTimeout?: Duration;
  /** As large as the servers' jute.maxbuffer. Default 1,048,575, which is theirs. */
  maxRequestBytes?: number;
}>;

export const ZOOKEEPER_OPTIONS: readonly (keyof ZookeeperOptions)[] = [
  ...(["servers", "url", "username", "password", "authentication", "tls", "root", "access"] as const),
  ...(["callTimeout", "connectTimeout", "maxRequestBytes"] as const),
];

export type Settings = Readonly<{
  addresses: readonly Address[];
  tls: ConnectionOptions | undefined;
  login: Login | undefined;
  root: string;
  access: "everybody" | "creator";
  /** It was asked for, and is not the default. */
  isAccessAsked: boolean;
  callMs: number;
  connectMs: number;
  maxRequestBytes: number;
}>;

const HOST = /^(\[[0-9a-fA-F:.]+\]|[^\s:/?#@,[\]]+)(?::(\d{1,5}))?$/;
const URL_FORM = /^(zookeepers?):\/\/(?:([^@/?#]*)@)?([^/?#@]*)(\/[^?#]*)?(?:\?([^#]*))?$/i;
const ROOT = /^(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*){1,8}$/;
const MAX_ROOT_LENGTH = 100;
const MAX_SERVERS = 64;
const LEAST_REQUEST_BYTES = 4_096;
const MAX_REQUEST_BYTES = 1_048_575;
const TLS_FIELDS = ["ca", "cert", "key", "passphrase", "servername"];

/** No message repeats the URL, or a host that did not parse: either can hold a password. @throws INVALID_ARGUMENT. */
export function resolveOptions(options: ZookeeperOptions): Settings {
  checkOptions("ZooKeeper", options, ZOOKEEPER_OPTIONS);
  const { servers, url } = options;
  if ((servers === undefined) === (url === undefined)) throw wrong("ZooKeeper wants one of servers and url.");
  const from = url === undefined ? placeOf(options) : placeInUrl(url, options);
  const root = from.root ?? options.root ?? "/jobferry";
  if (typeof root !== "string" || !ROOT.test(root) || root.length > MAX_ROOT_LENGTH || /^\/zookeeper(\/|$)/.test(root))
    throw invalidArgument(
      "root",
      root,
      `a path of a node as "/jobferry", up to ${MAX_ROOT_LENGTH} characters, not below /zookeeper`,
    );
  const { access = from.login === undefined ? "everybody" : "creator" } = options;
  if (access !== "everybody" && access !== "creator")
    throw invalidArgument("access", access, '"everybody" or "creator"');
  if (access === "creator" && from.login === undefined) throw wrong('access: "creator" needs a username and password.');
  return {
    addresses: from.addresses,
    tls: from.tls,
    login: from.login,
    root,
    access,
    isAccessAsked: options.access !== undefined,
    callMs: parseDuration(options.callTimeout ?? "3s", "callTimeout", { min: 1 }),
    connectMs: parseDuration(options.connectTimeout ?? "5s", "connectTimeout", { min: 1 }),
    maxRequestBytes: checkInteger(
      "maxRequestBytes",
      options.maxRequestBytes ?? MAX_REQUEST_BYTES,
      LEAST_REQUEST_BYTES,
      2 ** 30,
    ),
  };
}

/** Without secrets. */
export function shownServers({ addresses }: Settings): string {
  return addresses.map(({ host, port }) => `${host}:${port}`).join(",");
}

type Place = Pick<Settings, "addresses" | "tls" | "login"> & Readonly<{ root?: string | undefined }>;

function placeOf(options: ZookeeperOptions): Place {
  const { servers, tls = false } = options;
  const list = typeof servers === "string" ? servers.split(",") : servers;
  if (!Array.isArray(list)) throw wrong('servers must be text such as "host:2181,host:2181", or an array of such.');
  const options_ = tlsOptions(tls);
  return { addresses: addressesOf(list, options_ !== undefined), tls: options_, login: loginOf(options) };
}

function placeInUrl(url: string, options: ZookeeperOptions): Place {
  const match = typeof url === "string" ? URL_FORM.exec(url) : null;
  if (match === null)
    throw wrong(
      `The url ${urlFault(url, /^zookeepers?$/i, { path: true, query: true })}. Write it as zookeeper://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…][/ROOT], or zookeepers for TLS.`,
    );
  const [, scheme = "", login, hosts = "", path, query = ""] = match;
  const isSecure = scheme.toLowerCase() === "zookeepers";
  if (!isSecure && options.tls !== undefined && options.tls !== false)
    throw wrong("tls beside a zookeeper:// URL: use zookeepers://.");
  if (isSecure && options.tls === false) throw wrong("zookeepers:// is TLS; tls cannot be false.");
  const tls = isSecure ? tlsOptions(options.tls ?? true) : undefined;
  const { authentication } = queryOf(query);
  const named = login === undefined ? {} : loginInUrl(login);
  if (login !== undefined && (options.username !== undefined || options.password !== undefined))
    throw wrong("The login stands in the url and in the options. Leave one of them out.");
  const root = path === undefined || path === "/" ? undefined : decoded(path.replace(/\/$/, ""));
  if (root !== undefined && options.root !== undefined) throw wrong("The root stands in the url and in the options.");
  return {
    addresses: addressesOf(hosts.split(","), isSecure),
    tls,
    login: loginOf({ ...options, ...named, ...authentication }),
    root,
  };
}

function queryOf(query: string): Readonly<{ authentication: Pick<ZookeeperOptions, "authentication"> }> {
  const fields = new URLSearchParams(query);
  for (const name of fields.keys())
    if (name !== "auth") throw wrong("The url has a query (?) with something else than auth=digest or auth=sasl.");
  const auth = fields.get("auth");
  if (auth === null) return { authentication: {} };
  if (auth !== "digest" && auth !== "sasl") throw wrong("auth in the url must be digest or sasl.");
  return { authentication: { authentication: auth } };
}

function loginInUrl(login: string): Readonly<{ username: string; password: string }> {
  const colon = login.indexOf(":");
  if (colon < 1) throw wrong("The login in the url must be user:password.");
  return { username: decoded(login.slice(0, colon)), password: decoded(login.slice(colon + 1)) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong("The url has a % that is not followed by two hexadecimal digits.");
  }
}

function loginOf({ username, password, authentication }: ZookeeperOptions): Login | undefined {
  for (const [name, value] of Object.entries({ username, password })) {
    if (value !== undefined && (typeof value !== "string" || value === "")) throw wrong(`${name} must be text.`);
  }
  if (authentication !== undefined && authentication !== "digest" && authentication !== "sasl")
    throw invalidArgument("authentication", authentication, '"digest" or "sasl"');
  if (username === undefined && password === undefined) {
    if (authentication !== undefined) throw wrong("authentication needs a username and password.");
    return undefined;
  }
  if (username === undefined || password === undefined) throw wrong("username and password go together.");
  if (username.includes(":")) throw wrong("A username of ZooKeeper has no colon.");
  return { scheme: authentication ?? "digest", username, password };
}

function tlsOptions(tls: boolean | ZookeeperTls): ConnectionOptions | undefined {
  if (tls === false) return undefined;
  if (tls === true) return {};
  if (typeof tls !== "object" || tls === null)
    throw wrong("tls must be true, false, or { ca, cert, key, passphrase, servername }.");
  checkOptions("tls", tls, TLS_FIELDS);
  const pem = (value: string | Uint8Array): string | Buffer => (typeof value === "string" ? value : Buffer.from(value));
  const { ca, cert, key, passphrase, servername } = tls;
  return {
    ...(ca === undefined ? {} : { ca: pem(ca) }),
    ...(cert === undefined ? {} : { cert: pem(cert) }),
    ...(key === undefined ? {} : { key: pem(key) }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(servername === undefined ? {} : { servername }),
  };
}

function addressesOf(list: readonly unknown[], isSecure: boolean): readonly Address[] {
  if (list.length === 0 || list.length > MAX_SERVERS)
    throw wrong(`servers must name from 1 to ${MAX_SERVERS} servers.`);
  return list.map((one, index) => {
    const [, host = "", port] = (typeof one === "string" ? HOST.exec(one.trim()) : null) ?? [];
    const number = port === undefined ? (isSecure ? 2281 : 2181) : Number(port);
    if (host === "" || number < 1 || number > 65_535)
      throw wrong(`Server ${index + 1} must be host:port, without a scheme or login, port from 1 to 65535.`);
    return { host: host.replace(/^\[|\]$/g, ""), port: number };
  });
}

function wrong(message: string): JobferryError {
  return new JobferryError("INVALID_ARGUMENT", message);
}
