import { JobferryError } from "../../errors/index.ts";
import type { PostgresClient } from "./client.ts";
import type { Connections } from "./connections.ts";
import { coordination } from "./coordination-schema.ts";
import { patiently } from "./long-calls.ts";
import { functions } from "./functions/index.ts";
import { LAYOUT_VERSION, tables } from "./schema.ts";
import { literal, quoted } from "./text.ts";

/** One text per layout version, each from the one before. */
const MIGRATIONS: readonly ((s: string) => string)[] = [(s) => tables(s) + functions(s), coordination];

/** What there is: `undefined` where the schema has none of our tables. */
export type Layout = Readonly<{ schemaExists: boolean; version: number | undefined }>;

const looking = (schema: string): string => {
  const name = literal(quoted(schema));
  return `SELECT to_regnamespace(${name}) IS NOT NULL, to_regclass(${literal(`${quoted(schema)}.meta`)}) IS NOT NULL,
    EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = to_regnamespace(${name}))`;
};

type Ask = (text: string) => Promise<readonly (readonly unknown[])[]>;

/** @throws STORE_FOREIGN for tables that are not ours, STORE_NEWER for a version that this release does not know. */
async function layoutOf(ask: Ask, schema: string): Promise<Layout> {
  const [found = []] = await ask(looking(schema));
  const [schemaExists, hasMeta, hasAny] = found.map((value) => value === true || value === "t");
  if (hasMeta !== true) {
    if (hasAny === true) throw foreign(schema);
    return { schemaExists: schemaExists === true, version: undefined };
  }
  const text = `SELECT m.value FROM ${quoted(schema)}.meta m WHERE m.key = 'layout'`;
  const [row] = await ask(text).catch((error: unknown) => {
    // Somebody else's table of that name has other columns.
    if (error instanceof Error && "code" in error && error.code === "42703") throw foreign(schema);
    throw error;
  });
  if (row === undefined) throw foreign(schema);
  const version = Number(row[0]);
  if (version > LAYOUT_VERSION) {
    throw new JobferryError(
      "STORE_NEWER",
      `The schema "${schema}" has layout version ${version}; this release of jobferry knows versions up to ${LAYOUT_VERSION}. Update jobferry here. Nothing was changed.`,
    );
  }
  return { schemaExists: true, version };
}

function foreign(schema: string): JobferryError {
  return new JobferryError(
    "STORE_FOREIGN",
    `The schema "${schema}" holds tables that are not Jobferry's. Give the option \`schema\` another name. Nothing was changed.`,
  );
}

/** What is to be run from here, without the transaction around it; empty when the layout is up to date. */
function pendingSql(schema: string, { schemaExists, version = 0 }: Layout): string {
  if (version >= LAYOUT_VERSION) return "";
  const s = quoted(schema);
  const steps = MIGRATIONS.slice(version).map((step) => step(s));
  return [
    schemaExists ? "" : `CREATE SCHEMA ${s};`,
    ...steps,
    `INSERT INTO ${s}.meta (key, value) VALUES ('layout', '${LAYOUT_VERSION}') ON CONFLICT (key) DO UPDATE SET value = excluded.value;`,
  ].join("\n");
}

const askOn =
  (connections: Connections, client: PostgresClient): Ask =>
  (text) =>
    connections.answer(client, { text, rowMode: "array" });

/** On a connection of its own. */
async function onConnection<T>(connections: Connections, work: (client: PostgresClient) => Promise<T>): Promise<T> {
  const client = await connections.connect();
  let failed = true;
  try {
    const result = await work(client);
    failed = false;
    return result;
  } finally {
    client.release(failed);
  }
}

/** @throws STORE_OUTDATED when there is something to do. */
export async function checkLayout(connections: Connections, schema: string): Promise<void> {
  const layout = await onConnection(connections, (client) => layoutOf(askOn(connections, client), schema));
  if (layout.version === LAYOUT_VERSION) return;
  const what =
    layout.version === undefined ? "is not there" : `has layout version ${layout.version}, not ${LAYOUT_VERSION}`;
  throw new JobferryError(
    "STORE_OUTDATED",
    `The schema "${schema}" ${what}, and the option \`migrate\` is false. Run \`jobferry migrate\` before.`,
  );
}

/**
 * Brings the layout up to date. Safe when several processes start at once: one transaction under a lock, in which what there is is looked at
 * again, so the second one finds the work done. A crash in between leaves everything as it was.
 * @returns the SQL that was run; empty when there was nothing to do.
 */
export function migrate(connections: Connections, schema: string, dryRun = false): Promise<string> {
  return onConnection(connections, async (client) => {
    const ask = askOn(connections, client);
    const before = pendingSql(schema, await layoutOf(ask, schema));
    if (before === "") return "";
    const whole = (sql: string): string => `BEGIN;\n${sql}\nCOMMIT;\n`;
    if (dryRun) return whole(before);
    await ask("BEGIN");
    try {
      await ask(`SET LOCAL statement_timeout = 0`);
      const lock = `SELECT pg_advisory_xact_lock(1246905945, hashtext(${literal(quoted(schema))}))`;
      await patiently(connections, client, lock);
      const sql = pendingSql(schema, await layoutOf(ask, schema));
      if (sql !== "") await patiently(connections, client, sql);
      await ask("COMMIT");
      return sql === "" ? "" : whole(sql);
    } catch (error) {
      await ask("ROLLBACK").catch(() => undefined);
      throw error;
    }
  });
}
