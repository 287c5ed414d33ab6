import { describeValue, invalidArgument, JobferryError } from "../../errors/index.ts";
import { checkInteger, checkOptions, nearest, parseDuration } from "../../runtime/index.ts";
import type { Duration } from "../../runtime/index.ts";
import { urlFault } from "../shared/url-fault.ts";
import type { AmqpClient } from "./client.ts";

export type RabbitmqDriverOptions = Readonly<{
  /** `amqp://user:password@host:5672/vhost`, or `amqps://`. Either this or `connect`. */
  url?: string;
  /** Your own connections, made with amqplib: called once for pushing, once for consuming, and again after every loss. */
  connect?: () => Promise<AmqpClient>;
  /** With `url`: passed to Node's `tls.connect` as it is (`ca`, `cert`, `key`, `servername`, `rejectUnauthorized` …). */
  tls?: object;
  /** Begins the name of every queue and exchange on the server. Default: "jobferry". */
  prefix?: string;
  /** How long one attempt to connect may take. Default: 5 s. */
  connectTimeout?: Duration;
  /** How long the server may take to answer before a call fails and the connection is given up. Default: 10 s. */
  answerTimeout?: Duration;
  /** With `url`: a connection that is silent for two of these is dead. Default: 10 s. */
  heartbeat?: Duration;
  /**
   * How long a new queue lies on the server before the first push to it counts. A quorum queue whose server is killed right after its
   * declaration comes back empty (measured: after 0.6 s it did, after 1.2 s it did not). Default: 3 s.
   */
  settle?: Duration;
  /** The server's `max_message_size`, when it was changed. Default: 16 MiB, the default of RabbitMQ 4. */
  maxMessageBytes?: number;
}>;

export type Settings = Readonly<{
  connect: (() => Promise<AmqpClient>) | undefined;
  url: URL | undefined;
  /** What errors say of the server: scheme, host, port and virtual host, and no login. */
  place: string | undefined;
  tls: object | undefined;
  prefix: string;
  connectMs: number;
  answerMs: number;
  heartbeatMs: number;
  settleMs: number;
  maxMessageBytes: number;
}>;

const KNOWN = [
  "url",
  "connect",
  "tls",
  "prefix",
  "connectTimeout",
  "answerTimeout",
  "heartbeat",
  "settle",
  "maxMessageBytes",
] as const;
/** What amqplib reads from the query of a URL. */
const IN_URL: readonly string[] = ["heartbeat", "frameMax", "channelMax", "locale", "maxFrameSize"];
const DEFAULT_MESSAGE_BYTES = 16 * 1024 * 1024;
const MAX_PREFIX = 20;

export function resolveOptions(options: RabbitmqDriverOptions): Settings {
  checkOptions("rabbitmqDriver", options, KNOWN);
  const { connect, tls, prefix = "jobferry" } = options;
  if ((options.url === undefined) === (connect === undefined))
    throw new JobferryError("INVALID_ARGUMENT", "rabbitmqDriver wants either url or connect, and not both.");
  if (connect !== undefined && typeof connect !== "function")
    throw invalidArgument("connect", connect, "a function that resolves to a connection of amqplib");
  if (tls !== undefined && (typeof tls !== "object" || tls === null || options.url === undefined))
    throw invalidArgument("tls", tls, "an object of options for tls.connect, given with a url");
  if (typeof prefix !== "string" || !/^[A-Za-z0-9_-]+$/.test(prefix) || prefix.length > MAX_PREFIX)
    throw invalidArgument("prefix", prefix, `1 to ${MAX_PREFIX} letters, digits, "-" or "_"`);
  const time = (name: "connectTimeout" | "answerTimeout" | "heartbeat" | "settle", or: Duration, min: number): number =>
    parseDuration(options[name] ?? or, name, { min });
  const url = options.url === undefined ? undefined : parseUrl(options.url);
  if (options.heartbeat !== undefined && url?.searchParams.has("heartbeat") === true)
    throw new JobferryError(
      "INVALID_ARGUMENT",
      "heartbeat is given twice: as an option and in the URL. Drop one of them.",
    );
  return {
    ...{ connect, url, place: url && `${url.protocol}//${url.host}${url.pathname}` },
    tls,
    prefix,
    connectMs: time("connectTimeout", "5s", 1),
    answerMs: time("answerTimeout", "10s", 1),
    heartbeatMs: time("heartbeat", "10s", 1_000),
    settleMs: time("settle", "3s", 0),
    maxMessageBytes: checkInteger("maxMessageBytes", options.maxMessageBytes ?? DEFAULT_MESSAGE_BYTES, 65_536 * 2),
  };
}

/** No message repeats the URL: it holds a password. */
function parseUrl(text: unknown): URL {
  if (typeof text !== "string") throw invalidArgument("url", describeValue(text), "a URL");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // A # in a password of digits would make the name a host and the password's beginning a port.
  const isCut = (url?.hash ?? "") !== "";
  if (url === undefined || isCut || (url.protocol !== "amqp:" && url.protocol !== "amqps:") || url.hostname === "")
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `The RabbitMQ URL ${urlFault(text, /^amqps?$/i, { path: true, query: true })}. Write it as amqp://[USER:PASSWORD@]HOST[:PORT][/VHOST], or amqps for TLS.`,
    );
  for (const name of url.searchParams.keys()) if (!IN_URL.includes(name)) throw unknownInUrl(name);
  return url;
}

/** Names what amqplib would ignore only where it is like something known: anything can stand there. */
function unknownInUrl(name: string): JobferryError {
  const meant = nearest(name, IN_URL);
  const hint = meant === undefined ? "" : ` Did you mean "${meant}"?`;
  return new JobferryError(
    "INVALID_ARGUMENT",
    `The query (?) of the AMQP URL holds something else than ${IN_URL.join(", ")}.${hint} Everything else is an option.`,
  );
}
