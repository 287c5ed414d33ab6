import { PLANS } from "./functions/plans.ts";

/** What `keys_transact` returns in place of a revision. */
export const REFUSED = -1;
/** A compared key belongs to a session past its time: end it, then ask again. */
export const EXPIRED = -2;

/** Of PostgreSQL's 8,000 bytes. */
const MAX_NOTIFIED_BYTES = 7_500;
const EXPIRED_PORTION = 100;

/** An answer that a crash of the server forgets would let two hold one lock. */
const WRITTEN_THROUGH = `
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'local', true);
  END IF;`;

/**
 * Keys and sessions of clusters (layout version 2). Whoever writes locks first its session, then the rows of all areas that it compares or writes,
 * in their order, and then draws one version for all its keys: above every version of these areas and at least the server's time in
 * microseconds. The locks last until the commit. So versions of an area commit in their order, whatever other transactions do
 * (docs/adr/0109). Rows of `areas` are never removed: versions rise also when all keys of an area are gone.
 */
export function coordination(s: string): string {
  return tables(s) + writing(s) + sessions(s);
}

const tables = (s: string): string => `
CREATE TABLE ${s}.keys (
  version bigint NOT NULL,
  key text COLLATE "C" PRIMARY KEY,
  session text COLLATE "C",
  value bytea NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX keys_session ON ${s}.keys (session) WHERE session IS NOT NULL;
-- No index on ends_at: every heartbeat changes it, and there are few rows.
CREATE TABLE ${s}.sessions (
  ttl double precision NOT NULL,
  ends_at double precision NOT NULL,
  id text COLLATE "C" PRIMARY KEY
) WITH (fillfactor = 30);
CREATE TABLE ${s}.areas (
  changed bigint NOT NULL,
  removed bigint NOT NULL,
  area text COLLATE "C" PRIMARY KEY
) WITH (fillfactor = 30);
`;

const writing = (s: string): string => `
CREATE FUNCTION ${s}.keys_hold(p_keys text[], p_versions bigint[]) RETURNS boolean ${PLANS} AS $jobferry$
BEGIN
  RETURN NOT EXISTS (
    SELECT FROM unnest(p_keys, p_versions) AS c (key, version) LEFT JOIN ${s}.keys k ON k.key = c.key COLLATE "C"
    WHERE k.version IS DISTINCT FROM c.version);
END $jobferry$;

CREATE FUNCTION ${s}.areas_lock(p_areas text[]) RETURNS bigint ${PLANS} AS $jobferry$
BEGIN
  INSERT INTO ${s}.areas (area, changed, removed)
  SELECT u.area, 0, 0 FROM unnest(p_areas) AS u (area)
  WHERE NOT EXISTS (SELECT FROM ${s}.areas a WHERE a.area = u.area COLLATE "C") ORDER BY u.area COLLATE "C" ON CONFLICT DO NOTHING;
  RETURN (SELECT greatest(max(l.changed) + 1, floor(${s}.clock_ms() * 1000)::bigint)
    FROM (SELECT a.changed FROM ${s}.areas a WHERE a.area = ANY (p_areas) ORDER BY a.area FOR UPDATE) l);
END $jobferry$;

-- Watchers are told by the commit.
CREATE FUNCTION ${s}.keys_changed(p_keys text[], p_removed text[], p_version bigint, p_channel text) RETURNS void ${PLANS} AS $jobferry$
BEGIN
  UPDATE ${s}.areas a SET changed = p_version, removed = CASE WHEN c.removed THEN p_version ELSE a.removed END
  FROM (
    SELECT split_part(u.key, '/', 1) || '/' || split_part(u.key, '/', 2) AS area, bool_or(u.key = ANY (p_removed)) AS removed
    FROM unnest(p_keys) AS u (key) GROUP BY 1) c
  WHERE a.area = c.area COLLATE "C";
  IF p_channel IS NOT NULL AND cardinality(p_keys) > 0 THEN
    PERFORM pg_notify(p_channel, '* ' || CASE WHEN length(t.names) <= ${MAX_NOTIFIED_BYTES} THEN t.names ELSE '' END)
    FROM (SELECT array_to_string(p_keys, ' ') AS names) t;
  END IF;
END $jobferry$;

-- All or nothing; its version, ${REFUSED} or ${EXPIRED}. What does not hold is told without waiting for anybody and without a write.
CREATE FUNCTION ${s}.keys_transact(p_areas text[], p_session text, p_keys text[], p_versions bigint[],
  p_puts text[], p_owned integer[], p_values bytea[], p_deletes text[], p_channel text) RETURNS bigint ${PLANS} AS $jobferry$
DECLARE
  v_version bigint;
  v_removed text[];
BEGIN
  IF EXISTS (SELECT FROM ${s}.keys k JOIN ${s}.sessions o ON o.id = k.session WHERE k.key = ANY (p_keys) AND o.ends_at <= ${s}.clock_ms()) THEN
    RETURN ${EXPIRED};
  END IF;
  v_version := coalesce((SELECT min(a.changed) FROM ${s}.areas a WHERE a.area = ANY (p_areas)), 0);
  IF NOT ${s}.keys_hold(p_keys, p_versions) OR NOT ${s}.session_lives(p_session) THEN
    RETURN ${REFUSED};
  END IF;
  IF cardinality(p_puts) = 0 AND cardinality(p_deletes) = 0 THEN
    RETURN v_version;
  END IF;
  -- The end of the session waits for us, renewing it does not.
  PERFORM FROM ${s}.sessions o WHERE o.id = p_session FOR KEY SHARE;
  v_version := ${s}.areas_lock(p_areas);
  IF NOT ${s}.keys_hold(p_keys, p_versions) OR NOT ${s}.session_lives(p_session) THEN
    RETURN ${REFUSED};
  END IF;${WRITTEN_THROUGH}
  WITH gone AS (DELETE FROM ${s}.keys k WHERE k.key = ANY (p_deletes) RETURNING k.key)
  SELECT coalesce(array_agg(g.key), '{}') INTO v_removed FROM gone g;
  INSERT INTO ${s}.keys (key, version, session, value)
  SELECT u.key, v_version, CASE WHEN u.owned = 1 THEN p_session END, u.value FROM unnest(p_puts, p_owned, p_values) AS u (key, owned, value)
  ON CONFLICT (key) DO UPDATE SET version = excluded.version, session = excluded.session, value = excluded.value;
  PERFORM ${s}.keys_changed(p_puts || v_removed, v_removed, v_version, p_channel);
  RETURN v_version;
END $jobferry$;
`;

const sessions = (s: string): string => `
CREATE FUNCTION ${s}.session_lives(p_id text) RETURNS boolean ${PLANS} AS $jobferry$
BEGIN
  RETURN p_id IS NULL OR EXISTS (SELECT FROM ${s}.sessions o WHERE o.id = p_id AND o.ends_at > ${s}.clock_ms());
END $jobferry$;

CREATE FUNCTION ${s}.session_open(p_id text, p_ttl double precision) RETURNS void ${PLANS} AS $jobferry$
BEGIN${WRITTEN_THROUGH}
  INSERT INTO ${s}.sessions (id, ttl, ends_at) VALUES (p_id, p_ttl, ${s}.clock_ms() + p_ttl);
END $jobferry$;

CREATE FUNCTION ${s}.session_renew(p_id text) RETURNS boolean ${PLANS} AS $jobferry$
BEGIN${WRITTEN_THROUGH}
  UPDATE ${s}.sessions o SET ends_at = ${s}.clock_ms() + o.ttl WHERE o.id = p_id AND o.ends_at > ${s}.clock_ms();
  RETURN FOUND;
END $jobferry$;

-- Of sessions whose rows the caller has locked, so nobody puts anything under them any more.
CREATE FUNCTION ${s}.sessions_end(p_ids text[], p_channel text) RETURNS void ${PLANS} AS $jobferry$
DECLARE
  v_version bigint;
  v_areas text[];
  v_keys text[];
BEGIN${WRITTEN_THROUGH}
  SELECT array_agg(DISTINCT split_part(k.key, '/', 1) || '/' || split_part(k.key, '/', 2)) INTO v_areas FROM ${s}.keys k WHERE k.session = ANY (p_ids);
  IF v_areas IS NOT NULL THEN
    v_version := ${s}.areas_lock(v_areas);
    WITH gone AS (DELETE FROM ${s}.keys k WHERE k.session = ANY (p_ids) RETURNING k.key)
    SELECT coalesce(array_agg(g.key), '{}') INTO v_keys FROM gone g;
    PERFORM ${s}.keys_changed(v_keys, v_keys, v_version, p_channel);
  END IF;
  DELETE FROM ${s}.sessions o WHERE o.id = ANY (p_ids);
END $jobferry$;

CREATE FUNCTION ${s}.session_close(p_id text, p_channel text) RETURNS void ${PLANS} AS $jobferry$
BEGIN
  PERFORM FROM ${s}.sessions o WHERE o.id = p_id FOR UPDATE;
  IF FOUND THEN
    PERFORM ${s}.sessions_end(ARRAY[p_id], p_channel);
  END IF;
END $jobferry$;

-- Ends sessions past their time, in the order of their ids, so that two who do it wait for each other and never both ways.
CREATE FUNCTION ${s}.sessions_expire(p_channel text) RETURNS integer ${PLANS} AS $jobferry$
DECLARE
  v_ids text[];
BEGIN
  SELECT array_agg(e.id) INTO v_ids
  FROM (SELECT o.id FROM ${s}.sessions o WHERE o.ends_at <= ${s}.clock_ms() ORDER BY o.id LIMIT ${EXPIRED_PORTION} FOR UPDATE) e;
  IF v_ids IS NULL THEN
    RETURN 0;
  END IF;
  PERFORM ${s}.sessions_end(v_ids, p_channel);
  RETURN cardinality(v_ids);
END $jobferry$;
`;
