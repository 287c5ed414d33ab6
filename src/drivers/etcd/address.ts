import { JobferryError } from "../../errors/index.ts";
import { urlFault } from "../shared/url-fault.ts";
import type { Credentials } from "./client/login.ts";

export type Node = Readonly<{ host: string; port: number }>;
export type Address = Readonly<{ nodes: readonly Node[]; isSecure: boolean; credentials: Credentials | undefined }>;

const DEFAULT_PORT = 2_379;
const URL_PATTERN = /^(etcds?):\/\/(?:([^@/]*)@)?([^@/?#]+)\/?$/i;
const SCHEMES = /^etcds?$/i;
const ENDPOINT = /^(?:(https?):\/\/)?([^@/?#]+)\/?$/i;
const NODE = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\],]+)(?::(\d{1,5}))?$/;
const FORMS = "etcd://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…], etcds for TLS; the prefix of its keys is an option";

/** @throws INVALID_ARGUMENT without a word of the URL: it may hold a password. */
export function parseUrl(url: unknown): Address {
  const match = typeof url === "string" ? URL_PATTERN.exec(url) : null;
  const nodes = match?.[3]?.split(",").map(nodeOf) ?? [];
  const known = nodes.filter((node) => node !== undefined);
  if (match === null || known.length < nodes.length)
    throw new JobferryError("INVALID_ARGUMENT", `The etcd URL ${urlFault(url, SCHEMES)}. Write it as ${FORMS}.`);
  const [, scheme = "", login] = match;
  return { nodes: known, isSecure: scheme.toLowerCase() === "etcds", credentials: credentialsIn(login) };
}

function credentialsIn(login: string | undefined): Credentials | undefined {
  if (login === undefined || login === "") return undefined;
  const [, user = "", password = ""] = /^([^:]+):(.+)$/.exec(login) ?? [];
  if (user === "")
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `The etcd URL names no USER:PASSWORD before its @. Write it as ${FORMS}.`,
    );
  try {
    return { user: decodeURIComponent(user), password: decodeURIComponent(password) };
  } catch {
    throw new JobferryError("INVALID_ARGUMENT", "The etcd URL has a % that encodes nothing.");
  }
}

/** @throws INVALID_ARGUMENT; it repeats none of them: somebody may have put a login into one. */
export function parseEndpoints(endpoints: unknown): Omit<Address, "credentials"> {
  const list: readonly unknown[] = Array.isArray(endpoints) ? endpoints : [];
  const matches = list.map((text) => (typeof text === "string" ? ENDPOINT.exec(text.trim()) : null));
  const nodes = matches.map((match) => nodeOf(match?.[2] ?? "")).filter((node) => node !== undefined);
  if (list.length === 0 || nodes.length < list.length)
    throw new JobferryError(
      "INVALID_ARGUMENT",
      'endpoints must be a list such as ["host:2379"] or ["https://host:2379"]. A login stands in username and password.',
    );
  const schemes = new Set(matches.map((match) => match?.[1]?.toLowerCase() === "https"));
  if (schemes.size > 1)
    throw new JobferryError("INVALID_ARGUMENT", "Either all endpoints begin with https://, or none does.");
  return { nodes, isSecure: schemes.has(true) };
}

function nodeOf(text: string): Node | undefined {
  const match = NODE.exec(text.trim());
  const port = match?.[2] === undefined ? DEFAULT_PORT : Number(match[2]);
  if (match?.[1] === undefined || port < 1 || port > 65_535) return undefined;
  // HTTP/2 names the host as a URL does, which takes less: no "%", as in a variable that nobody replaced.
  if (!URL.canParse(`http://${match[1]}:${port}`)) return undefined;
  return { host: match[1].replace(/^\[|\]$/g, ""), port };
}
