import { describeValue, invalidArgument, JobferryError } from "../../errors/index.ts";
import { checkOptions, parseDuration } from "../../runtime/index.ts";
import type { Duration } from "../../runtime/index.ts";
import type { PostgresPool } from "./client.ts";
import { DEFAULT_SCHEMA } from "./schema.ts";

export type PostgresDriverOptions = Readonly<{
  /** `postgres://user:password@host:5432/database?sslmode=verify-full&schema=jobs`: what `pg` takes, and our `schema`. Either this, `connection` or `client`. */
  url?: string;
  /** Options of a `Pool` of `pg`, passed on as they are: `host`, `password`, `ssl`, `max` … May stand beside `url`. */
  connection?: Readonly<Record<string, unknown>>;
  /** Your own `Pool` of `pg`. It stays yours: `close()` leaves it open. */
  client?: PostgresPool;
  /** Where the tables lie. Default: "jobferry". Queues with different schemas know nothing of each other. */
  schema?: string;
  /** Whether `open()` makes the schema or brings it up to date. Default: true. false: run `jobferry migrate` before. */
  migrate?: boolean;
  /** Whether consumers are woken by LISTEN and NOTIFY, beside polling. false behind a proxy that pools transactions. Default: true. */
  notify?: boolean;
  /** How often a waiting consumer looks by itself. Default: 1 s, without `notify` 200 ms. */
  pollInterval?: Duration;
  /** How long connecting may take, and waiting for a free connection of the pool. Default: 3 s. */
  connectTimeout?: Duration;
  /** How long a statement may take before its connection counts as broken. Default: 10 s. */
  callTimeout?: Duration;
}>;

export type Settings = Readonly<{
  url: string | undefined;
  connection: Readonly<Record<string, unknown>>;
  client: PostgresPool | undefined;
  schema: string;
  migrate: boolean;
  notify: boolean;
  pollMs: number;
  connectMs: number;
  callMs: number;
}>;

export const POSTGRES_OPTIONS: readonly string[] = [
  "url",
  "connection",
  "client",
  "schema",
  "migrate",
  "notify",
  "pollInterval",
  "connectTimeout",
  "callTimeout",
];

/** PostgreSQL cuts longer names without a word. */
const MAX_SCHEMA_BYTES = 63;

export function resolveOptions(options: PostgresDriverOptions): Settings {
  checkOptions("postgresDriver", options, POSTGRES_OPTIONS);
  const { url, connection = {}, client, migrate = true, notify = true } = options;
  if (typeof connection !== "object" || connection === null)
    throw invalidArgument("connection", connection, "an object with options of pg's Pool");
  checkTarget(options);
  for (const [name, value] of [["migrate", migrate] as const, ["notify", notify] as const]) {
    if (typeof value !== "boolean") throw invalidArgument(name, value, "true or false");
  }
  const { rest, schema } = url === undefined ? { rest: undefined, schema: undefined } : splitUrl(url);
  return {
    url: rest,
    connection,
    client,
    schema: checkSchema(options.schema ?? schema ?? DEFAULT_SCHEMA),
    migrate,
    notify,
    pollMs: parseDuration(options.pollInterval ?? (notify ? 1_000 : 200), "pollInterval", { min: 1, max: 60_000 }),
    connectMs: parseDuration(options.connectTimeout ?? 3_000, "connectTimeout", { min: 1 }),
    callMs: parseDuration(options.callTimeout ?? 10_000, "callTimeout", { min: 1 }),
  };
}

function checkTarget({ url, connection, client }: PostgresDriverOptions): void {
  if (client === undefined) {
    if (url === undefined && connection === undefined)
      throw new JobferryError("INVALID_ARGUMENT", "postgresDriver wants a url, a connection or a client.");
    return;
  }
  if (url !== undefined || connection !== undefined)
    throw new JobferryError(
      "INVALID_ARGUMENT",
      "postgresDriver wants either a client or how to connect, and not both.",
    );
  const isPool =
    typeof client === "object" && client !== null && typeof client.connect === "function" && "totalCount" in client;
  if (isPool) return;
  throw new JobferryError(
    "INVALID_ARGUMENT",
    `client is ${describeValue(client)}; it must be a Pool of pg (new pg.Pool(...)). A single Client does not reconnect.`,
  );
}

/** Of TLS and of the schema: pg's, libpq's, and those of a program that is often given the same URL. */
const IN_URL: readonly string[] = [
  ...["schema", "ssl", "sslmode", "sslcert", "sslkey", "sslrootcert", "sslnegotiation", "sslpassword"],
  ...["sslcertmode", "sslcompression", "sslcrl", "sslcrldir", "sslsni", "sslaccept", "sslidentity"],
  ...["ssl_min_protocol_version", "ssl_max_protocol_version", "scram_client_key", "scram_server_key"],
];

/** The value of a URL is never repeated: it may hold a password. */
function splitUrl(url: string): Readonly<{ rest: string; schema: string | undefined }> {
  const isUrl = typeof url === "string" && /^postgres(ql)?:\/\//i.test(url);
  if (!isUrl) throw new JobferryError("INVALID_ARGUMENT", "url must begin with postgres:// or postgresql://.");
  if (!isReadable(url))
    throw new JobferryError(
      "INVALID_ARGUMENT",
      "The PostgreSQL URL has a host or port that cannot be read. Write it as postgres://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE], with special characters of the password percent-encoded (# is %23).",
    );
  const [place = "", query] = url.split(/\?(.*)/s);
  const parameters = new URLSearchParams(query ?? "");
  checkParameters(parameters);
  const schema = parameters.get("schema") ?? undefined;
  if (schema === undefined) return { rest: url, schema };
  parameters.delete("schema");
  return { rest: parameters.size === 0 ? place : `${place}?${parameters.toString()}`, schema };
}

/**
 * pg ignores what it does not know, and much of it means something to other programs that share the URL. Where a slip of the pen would cost encryption, or the jobs' place, it
 * is refused.
 */
function checkParameters(parameters: URLSearchParams): void {
  for (const name of parameters.keys()) {
    if (!/^s(s|c)[a-z]/i.test(name) || IN_URL.includes(name)) continue;
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `The PostgreSQL URL has a parameter that begins with "${name.slice(0, 3)}" and means nothing. Known: ${IN_URL.join(", ")}.`,
    );
  }
  if (parameters.getAll("schema").length > 1)
    throw new JobferryError("INVALID_ARGUMENT", "The PostgreSQL URL names the schema twice. Drop one of them.");
}

/** As pg reads it: where something in it is not encoded all is, and the host may be missing. */
function isReadable(url: string): boolean {
  const text = / |%(?![a-f0-9]{2})/i.test(url) ? encodeURI(url) : url;
  return URL.canParse(text) || URL.canParse(text.replace("@/", "@host/"));
}

function checkSchema(schema: unknown): string {
  const valid =
    typeof schema === "string" &&
    schema !== "" &&
    !schema.includes("\0") &&
    schema.isWellFormed() &&
    !/^pg_|\$jobferry\$/i.test(schema) &&
    Buffer.byteLength(schema) <= MAX_SCHEMA_BYTES;
  if (valid) return schema;
  throw invalidArgument("schema", schema, `a name of 1 to ${MAX_SCHEMA_BYTES} bytes that does not begin with "pg_"`);
}
