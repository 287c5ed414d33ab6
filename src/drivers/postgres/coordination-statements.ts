import type { Statement } from "./connections.ts";
import { statement } from "./statements.ts";
import { quoted } from "./text.ts";

export type CoordinationStatements = Readonly<
  Record<
    "get" | "list" | "look" | "transact" | "openSession" | "renewSession" | "closeSession" | "expire" | "notify",
    Statement
  >
>;

/** Behind every key of a prefix: keys are ASCII below it. */
const PAST = "E'\\x7f'";

/** One round trip each. */
export function coordinationStatements(schema: string): CoordinationStatements {
  const s = quoted(schema);
  const isOver = `o.ends_at <= ${s}.clock_ms()`;
  const texts: Readonly<Record<keyof CoordinationStatements, string>> = {
    get: `SELECT k.version, k.value, ${isOver} FROM ${s}.keys k LEFT JOIN ${s}.sessions o ON o.id = k.session WHERE k.key = $1::text`,
    // One statement is one moment: what is written after these entries has a higher version than the area's here.
    list: `SELECT a.changed, a.removed, k.key, k.version, k.value, ${isOver}
      FROM (SELECT coalesce(max(b.changed), 0) AS changed, coalesce(max(b.removed), 0) AS removed FROM ${s}.areas b WHERE b.area = $1::text) a
      LEFT JOIN LATERAL (SELECT n.* FROM ${s}.keys n WHERE n.key >= $2::text AND n.key < $2::text || ${PAST} AND n.key > $3::text
        ORDER BY n.key LIMIT $4::bigint) k ON true
      LEFT JOIN ${s}.sessions o ON o.id = k.session ORDER BY k.key`,
    look: `SELECT c.keys, c.newest, (SELECT min(o.ends_at) FROM ${s}.sessions o) - ${s}.clock_ms()
      FROM unnest($1::text[]) WITH ORDINALITY AS u (prefix, nth) CROSS JOIN LATERAL (
        SELECT count(*) AS keys, coalesce(max(k.version), 0) AS newest FROM ${s}.keys k WHERE k.key >= u.prefix AND k.key < u.prefix || ${PAST}) c
      ORDER BY u.nth`,
    transact: `SELECT ${s}.keys_transact($1::text[], $2::text, $3::text[], $4::bigint[], $5::text[], $6::integer[], $7::bytea[], $8::text[], $9::text)`,
    openSession: `SELECT ${s}.session_open($1::text, $2::double precision)`,
    renewSession: `SELECT ${s}.session_renew($1::text)`,
    closeSession: `SELECT ${s}.session_close($1::text, $2::text)`,
    expire: `SELECT ${s}.sessions_expire($1::text)`,
    notify: `SELECT count(pg_notify($1::text, u.message)) FROM unnest($2::text[]) AS u (message)`,
  };
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, statement(`c_${name}`, text)]),
  ) as CoordinationStatements;
}
