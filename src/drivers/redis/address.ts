import { JobferryError } from "../../errors/index.ts";
import { urlFault } from "../shared/url-fault.ts";

export type Node = Readonly<{ host: string; port: number }>;

/** Where a URL points. `shown` is for messages: without user and password. */
export type Address = Readonly<{
  kind: "single" | "sentinel" | "cluster";
  nodes: readonly [Node, ...Node[]];
  /** The name under which the sentinels know the primary. */
  primary: string | undefined;
  tls: boolean;
  username: string | undefined;
  password: string | undefined;
  database: number;
  shown: string;
}>;

const PATTERN =
  /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?master=([^&#]+))?$/i;
const SCHEMES = /^rediss?(\+(sentinel|cluster))?$/i;
const FORMS =
  "redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE], redis+sentinel://HOST:PORT,HOST:PORT/PRIMARY[/DATABASE] or redis+cluster://HOST:PORT,HOST:PORT; rediss in place of redis for TLS";

/** @throws INVALID_ARGUMENT without a word of the URL: it may hold a password. */
export function parseAddress(url: string): Address {
  const match = typeof url === "string" ? PATTERN.exec(url) : null;
  if (match === null) throw wrong(urlFault(url, SCHEMES, { path: true }));
  const [, scheme = "", mode, login = "", hosts = "", path = "", master] = match;
  const kind = mode === undefined ? "single" : (mode.toLowerCase() as "sentinel" | "cluster");
  const nodes = hosts.split(",").map((host) => nodeOf(host, kind === "sentinel" ? 26_379 : 6_379));
  const [first, ...others] = nodes;
  if (first === undefined || (kind === "single" && others.length > 0)) throw wrong("names several hosts");
  const parts = path === "" ? [] : path.split("/").map(decoded);
  const named = kind === "sentinel" && master !== undefined ? decoded(master) : undefined;
  const primary = kind === "sentinel" ? (named ?? parts.shift()) : undefined;
  if (master !== undefined && named === undefined) throw wrong("names a master, but not by Sentinel");
  if (kind === "sentinel" && (primary ?? "") === "") throw wrong("does not name the primary");
  const database = databaseOf(parts);
  if (kind === "cluster" && database !== 0) throw wrong("names a database, but a cluster has only 0");
  const tls = scheme.toLowerCase() === "rediss";
  const shownHosts = nodes.map(({ host, port }) => `${host}:${port}`).join(",");
  return {
    kind,
    nodes: [first, ...others],
    primary,
    tls,
    ...loginOf(login),
    database,
    shown: `${scheme}${mode === undefined ? "" : `+${mode}`}://${shownHosts}${primary === undefined ? "" : `/${primary}`}`,
  };
}

function nodeOf(text: string, defaultPort: number): Node {
  const match = /^(\[[^\]]+\]|[^:[\]]*)(?::(\d{1,5}))?$/.exec(text);
  const port = match?.[2] === undefined ? defaultPort : Number(match[2]);
  if (match === null || port < 1 || port > 65_535) throw wrong("has a host or port that cannot be read");
  const host = match[1] === undefined || match[1] === "" ? "localhost" : match[1].replace(/^\[|\]$/g, "");
  return { host, port };
}

function loginOf(login: string): Pick<Address, "username" | "password"> {
  if (login === "") return { username: undefined, password: undefined };
  const colon = login.indexOf(":");
  const username = colon < 0 ? login : login.slice(0, colon);
  const password = colon < 0 ? undefined : decoded(login.slice(colon + 1));
  return { username: username === "" ? undefined : decoded(username), password };
}

function databaseOf(parts: readonly string[]): number {
  const [text, ...more] = parts;
  if (text === undefined || text === "") return 0;
  if (more.length > 0 || !/^\d{1,5}$/.test(text)) throw wrong("has a path that is no number of a database");
  return Number(text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong("has a % that encodes nothing");
  }
}

function wrong(what: string): JobferryError {
  return new JobferryError("INVALID_ARGUMENT", `The Redis URL ${what}. Write it as ${FORMS}.`);
}
