import { COMPLETED, COUNTER_SHARDS, DELAYED, FAILED, nextPlace, PENDING, RESERVED } from "./schema.ts";

/** Delayed jobs that become due, and leases that ran out, are taken care of in such portions by a claim. */
const DUE_PORTION = 500;

/**
 * Plans must not depend on statistics, which are wrong for a queue that was empty a second ago: every statement walks an index. Ruling scans
 * out makes the others look so dear that they would be compiled first (jit), for 100 ms.
 */
export const PLANS =
  "LANGUAGE plpgsql SET jit = off SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off";

/** What `claim` and `maintain` return of a job that was reserved or died, in the order of `JobRow`. */
const ROW = `kind integer, nth integer, seq bigint, id text, name text, priority integer, tags text, attempts integer, losses integer,
  exceptions integer, created_at bigint, available_at bigint, reserved_at bigint, finished_at bigint, failure text, envelope bytea, payload bytea`;

const valuesOf = (kind: number, nth: string): string =>
  `${kind}, ${nth}, j.seq, j.id, j.name, j.priority, j.tags, j.attempts, j.losses, j.exceptions, j.created_at, j.available_at,
      j.reserved_at, j.finished_at, j.failure, j.envelope, j.payload`;

const infoRow = (next: string, promoted = "NULL", recovered = "NULL"): string =>
  `-1, NULL::integer, NULL::bigint, NULL::text, NULL::text, NULL::integer, NULL::text, ${promoted}::integer, ${recovered}::integer,
      NULL::integer, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, (${next})::text, NULL::bytea, NULL::bytea`;

/** Looked up by place: written so that no plan walks the index of all leases instead, which took ten times as long. */
const HELD = `j.state <> ${PENDING} AND j.state + 0 = ${RESERVED}`;

const COUNT = (s: string, from: string): string => `
    INSERT INTO ${s}.counters AS c (queue, shard, completed)
    SELECT g.queue, pg_backend_pid() % ${COUNTER_SHARDS}, count(*) FROM ${from} GROUP BY g.queue ORDER BY g.queue
    ON CONFLICT (queue, shard) DO UPDATE SET completed = c.completed + excluded.completed`;

/**
 * Each does a whole batch in one round trip, needs no prepared statement, and so works behind a proxy that pools transactions too.
 * `s`: the quoted schema.
 */
export function functions(s: string): string {
  return [clock, pushing, upkeep, claiming, finishing, clearing, reading, records].map((part) => part(s)).join("\n");
}

const clock = (s: string): string => `
-- The server's clock, epoch milliseconds. Nothing else reads it.
CREATE FUNCTION ${s}.clock_ms() RETURNS double precision LANGUAGE sql VOLATILE AS $jobferry$
  SELECT extract(epoch FROM clock_timestamp())::double precision * 1000
$jobferry$;
`;

const insert = (s: string): string => `
    INSERT INTO ${s}.jobs (available_at, created_at, queue, priority, max_losses, state, id, name, tags, envelope, payload)
    SELECT CASE WHEN u.due > v_now THEN ceil(u.due) ELSE floor(v_now) END::bigint, coalesce(u.created, p_created[1])::bigint,
      v_queues[coalesce(u.queue, 1)], coalesce(u.priority, p_priorities[1]), coalesce(u.max_losses, p_max_losses[1]),
      CASE WHEN u.due > v_now THEN ${DELAYED} ELSE ${PENDING} END, u.id, coalesce(u.name, p_names[1]), u.tags, u.envelope, u.payload
    FROM (
      SELECT u.*, coalesce(u.run_at, v_now + coalesce(u.delay, p_delays[1])) AS due
      FROM unnest(p_queue, p_ids, p_names, p_priorities, p_max_losses, p_created, p_delays, p_run_at, p_tags, p_envelopes, p_payloads)
        AS u (queue, id, name, priority, max_losses, created, delay, run_at, tags, envelope, payload)) u`;

const pushing = (s: string): string => `
CREATE FUNCTION ${s}.queue_ids(p_names text[]) RETURNS integer[] LANGUAGE plpgsql AS $jobferry$
DECLARE
  v_ids integer[] := '{}';
  v_name text;
  v_id integer;
BEGIN
  FOREACH v_name IN ARRAY p_names LOOP
    SELECT q.id INTO v_id FROM ${s}.queues q WHERE q.name = v_name;
    IF v_id IS NULL THEN
      INSERT INTO ${s}.queues (name) VALUES (v_name) ON CONFLICT (name) DO NOTHING;
      SELECT q.id INTO v_id FROM ${s}.queues q WHERE q.name = v_name;
    END IF;
    v_ids := v_ids || v_id;
  END LOOP;
  RETURN v_ids;
END $jobferry$;

-- Stores new jobs; p_queue counts in p_queues from 1. What has one element holds for all, what has none is NULL. NULL when all are new, else the ids of those that are, as JSON.
CREATE FUNCTION ${s}.push(p_queues text[], p_queue integer[], p_ids text[], p_names text[], p_priorities integer[], p_max_losses integer[],
  p_created double precision[], p_delays double precision[], p_run_at double precision[], p_tags text[], p_envelopes bytea[], p_payloads bytea[])
RETURNS text LANGUAGE plpgsql AS $jobferry$
DECLARE
  v_now double precision := ${s}.clock_ms();
  v_queues integer[] := ${s}.queue_ids(p_queues);
  v_due double precision;
  v_stored text;
BEGIN
  IF cardinality(p_ids) = 1 THEN
    v_due := coalesce(p_run_at[1], v_now + p_delays[1]);
    INSERT INTO ${s}.jobs (available_at, created_at, queue, priority, max_losses, state, id, name, tags, envelope, payload)
    VALUES (CASE WHEN v_due > v_now THEN ceil(v_due) ELSE floor(v_now) END::bigint, p_created[1]::bigint, v_queues[1], p_priorities[1],
      p_max_losses[1], CASE WHEN v_due > v_now THEN ${DELAYED} ELSE ${PENDING} END, p_ids[1], p_names[1], p_tags[1], p_envelopes[1], p_payloads[1])
    ON CONFLICT (id) DO NOTHING;
    RETURN CASE WHEN FOUND THEN NULL ELSE '[]' END;
  END IF;
  -- By far most batches hold new ids only, and ON CONFLICT costs each row a look and a speculative insert.
  BEGIN${insert(s)};
    RETURN NULL;
  EXCEPTION WHEN unique_violation THEN
    NULL;
  END;
  WITH stored AS (${insert(s)}
    ON CONFLICT (id) DO NOTHING RETURNING jobs.id)
  SELECT coalesce(json_agg(stored.id), '[]')::text INTO v_stored FROM stored;
  RETURN v_stored;
END $jobferry$;
`;

const upkeep = (s: string): string => `
-- Delayed jobs whose time has come stand behind those that are ready, in the order of their times.
CREATE FUNCTION ${s}.promote_due(p_queue integer, p_now double precision, p_max integer) RETURNS integer ${PLANS} AS $jobferry$
DECLARE
  v_count integer := 0;
BEGIN
  IF NOT EXISTS (SELECT FROM ${s}.jobs j WHERE j.queue = p_queue AND j.state = ${DELAYED} AND j.available_at <= floor(p_now)::bigint) THEN
    RETURN 0;
  END IF;
  WITH due AS MATERIALIZED (
    SELECT j.ctid AS tid FROM ${s}.jobs j WHERE j.queue = p_queue AND j.state = ${DELAYED} AND j.available_at <= floor(p_now)::bigint
    ORDER BY j.available_at, j.seq LIMIT p_max FOR UPDATE SKIP LOCKED),
  placed AS MATERIALIZED (SELECT due.tid, ${nextPlace(s)} AS seq FROM due)
  UPDATE ${s}.jobs j SET state = ${PENDING}, seq = placed.seq FROM placed WHERE j.ctid = placed.tid;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $jobferry$;

CREATE FUNCTION ${s}.lease_expired(p_losses integer) RETURNS text LANGUAGE sql IMMUTABLE AS $jobferry$
  SELECT json_build_object('code', 'LEASE_EXPIRED', 'name', 'JobferryError', 'message', 'The lease ran out '
    || CASE WHEN p_losses = 1 THEN 'once' ELSE p_losses || ' times' END
    || ' before the job was finished: its worker died, or held it longer than its lease.')::text
$jobferry$;

-- Leases that ran out: back to pending, or to failed when that was the last loss. died: their new places.
CREATE FUNCTION ${s}.recover_lost(p_queue integer, p_now double precision, p_max integer, OUT recovered integer, OUT died bigint[]) ${PLANS} AS $jobferry$
DECLARE
  v_ms bigint := floor(p_now)::bigint;
BEGIN
  recovered := 0;
  IF NOT EXISTS (SELECT FROM ${s}.jobs j WHERE j.queue = p_queue AND j.state = ${RESERVED} AND j.lease_end <= v_ms) THEN
    RETURN;
  END IF;
  WITH lost AS MATERIALIZED (
    SELECT j.ctid AS tid, j.losses + 1 >= j.max_losses AS last FROM ${s}.jobs j
    WHERE j.queue = p_queue AND j.state = ${RESERVED} AND j.lease_end <= v_ms
    ORDER BY j.lease_end, j.seq LIMIT p_max FOR UPDATE SKIP LOCKED),
  placed AS MATERIALIZED (SELECT lost.tid, lost.last, ${nextPlace(s)} AS seq FROM lost),
  changed AS (
    UPDATE ${s}.jobs j SET seq = p.seq, losses = j.losses + 1, lease_end = NULL,
      state = CASE WHEN p.last THEN ${FAILED} ELSE ${PENDING} END,
      available_at = CASE WHEN p.last THEN j.available_at ELSE v_ms END,
      reserved_at = CASE WHEN p.last THEN j.reserved_at END,
      finished_at = CASE WHEN p.last THEN v_ms END,
      failure = CASE WHEN p.last THEN ${s}.lease_expired(j.losses + 1) ELSE j.failure END
    FROM placed p WHERE j.ctid = p.tid RETURNING j.seq, p.last)
  SELECT count(*) FILTER (WHERE NOT c.last)::integer, array_agg(c.seq) FILTER (WHERE c.last) INTO recovered, died FROM changed c;
END $jobferry$;

CREATE FUNCTION ${s}.next_due(p_queue integer) RETURNS bigint ${PLANS} AS $jobferry$
BEGIN
  RETURN least(
    (SELECT min(j.available_at) FROM ${s}.jobs j WHERE j.queue = p_queue AND j.state = ${DELAYED}),
    (SELECT min(j.lease_end) FROM ${s}.jobs j WHERE j.queue = p_queue AND j.state = ${RESERVED}));
END $jobferry$;

-- Promotes and takes back, at most p_max of each. Rows of kind ${FAILED} are jobs that died; the last one has the number of promoted jobs in
-- attempts, of recovered ones in losses, and in failure after how many milliseconds something is due next.
CREATE FUNCTION ${s}.maintain(p_max integer) RETURNS TABLE (${ROW}) ${PLANS} AS $jobferry$
#variable_conflict use_column
DECLARE
  v_now double precision := ${s}.clock_ms();
  v_queue record;
  v_lost record;
  v_promoted integer := 0;
  v_recovered integer := 0;
  v_taken integer := 0;
  v_next bigint;
BEGIN
  FOR v_queue IN SELECT q.id, q.name FROM ${s}.queues q LOOP
    IF v_promoted < p_max THEN
      v_promoted := v_promoted + ${s}.promote_due(v_queue.id, v_now, p_max - v_promoted);
    END IF;
    IF v_taken < p_max THEN
      SELECT * INTO v_lost FROM ${s}.recover_lost(v_queue.id, v_now, p_max - v_taken);
      v_recovered := v_recovered + v_lost.recovered;
      v_taken := v_taken + v_lost.recovered + coalesce(cardinality(v_lost.died), 0);
      IF v_lost.died IS NOT NULL THEN
        RETURN QUERY SELECT ${valuesOf(FAILED, "v_queue.id")} FROM ${s}.jobs j WHERE j.seq = ANY (v_lost.died) AND j.state = ${FAILED};
      END IF;
    END IF;
    v_next := least(v_next, ${s}.next_due(v_queue.id));
  END LOOP;
  RETURN QUERY SELECT ${infoRow("v_next - floor(v_now)", "v_promoted", "v_recovered")};
END $jobferry$;
`;

const claiming = (s: string): string => `
-- Takes up to p_max jobs, the queues in their order (nth, from 1). Rows of kind ${RESERVED} are reserved, of kind ${FAILED} died meanwhile; the last one
-- has in failure after how many milliseconds something is due next on these queues.
CREATE FUNCTION ${s}.claim(p_queues text[], p_max integer, p_free integer, p_lease double precision) RETURNS TABLE (${ROW}) ${PLANS} AS $jobferry$
#variable_conflict use_column
DECLARE
  v_now double precision := ${s}.clock_ms();
  v_left integer := p_max;
  v_free integer := p_free;
  v_queue record;
  v_lost record;
  v_tids tid[];
  v_losses integer[];
  v_suspects boolean;
  v_blocked boolean := false;
  v_count integer;
  v_next bigint;
BEGIN
  -- A claim that a crash of the server forgot would give its token out twice.
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'local', true);
  END IF;
  FOR v_queue IN
    SELECT q.id, q.paused, n.nth::integer AS nth FROM unnest(p_queues) WITH ORDINALITY AS n (name, nth)
    JOIN ${s}.queues q ON q.name = n.name ORDER BY n.nth
  LOOP
    SELECT * INTO v_lost FROM ${s}.recover_lost(v_queue.id, v_now, ${DUE_PORTION});
    IF v_lost.died IS NOT NULL THEN
      RETURN QUERY SELECT ${valuesOf(FAILED, "v_queue.nth")} FROM ${s}.jobs j WHERE j.seq = ANY (v_lost.died) AND j.state = ${FAILED};
    END IF;
    PERFORM ${s}.promote_due(v_queue.id, v_now, ${DUE_PORTION});
    CONTINUE WHEN v_queue.paused;

    SELECT array_agg(r.tid), array_agg(r.losses), bool_or(r.losses > 0) INTO v_tids, v_losses, v_suspects FROM (
      SELECT j.ctid AS tid, j.losses FROM ${s}.jobs j WHERE j.queue = v_queue.id AND j.state = ${PENDING}
      ORDER BY j.priority DESC, j.seq LIMIT v_left FOR UPDATE SKIP LOCKED) r;
    -- Jobs with losses are only given for free slots: up to the first that may not be given.
    IF v_suspects THEN
      FOR v_nth IN 1..cardinality(v_tids) LOOP
        CONTINUE WHEN v_losses[v_nth] = 0;
        IF v_free = 0 THEN
          v_tids := v_tids[1:v_nth - 1];
          v_blocked := true;
          EXIT;
        END IF;
        v_free := v_free - 1;
      END LOOP;
    END IF;
    IF cardinality(v_tids) > 0 THEN
      RETURN QUERY UPDATE ${s}.jobs j SET state = ${RESERVED}, attempts = j.attempts + 1, reserved_at = floor(v_now)::bigint,
        lease_end = ceil(v_now + p_lease)::bigint
      WHERE j.ctid = ANY (v_tids) RETURNING ${valuesOf(RESERVED, "v_queue.nth")};
      GET DIAGNOSTICS v_count = ROW_COUNT;
      v_left := v_left - v_count;
    END IF;
    EXIT WHEN v_blocked OR v_left = 0;
    v_next := least(v_next, ${s}.next_due(v_queue.id));
  END LOOP;
  RETURN QUERY SELECT ${infoRow("v_next - floor(v_now)")};
END $jobferry$;
`;

const finishing = (s: string): string => `
-- p_done: completed and not kept. p_drop: failed and not kept. The others: p_kinds is ${PENDING} released, ${FAILED} failed, ${COMPLETED} completed and kept, plus
-- 8 threw, 16 refund, 32 loss. NULL when every token held and no job died; else [token, new state] of each that held, as JSON.
CREATE FUNCTION ${s}.finish(p_done bigint[], p_drop bigint[], p_tokens bigint[], p_kinds integer[], p_delays double precision[],
  p_failures text[], p_results bytea[])
RETURNS text ${PLANS} AS $jobferry$
DECLARE
  v_now double precision := ${s}.clock_ms();
  v_ms bigint := floor(v_now)::bigint;
  v_died boolean;
  v_all bigint[];
  v_states integer[];
BEGIN
  WITH gone AS (
    DELETE FROM ${s}.jobs j WHERE j.seq = ANY (p_done) AND ${HELD} RETURNING j.seq, j.queue),
  counted AS (${COUNT(s, "gone g")})
  SELECT array_agg(g.seq), array_agg(${COMPLETED}) INTO v_all, v_states FROM gone g;
  IF cardinality(p_drop) + cardinality(p_tokens) = 0 THEN
    IF cardinality(v_all) = cardinality(p_done) OR cardinality(p_done) = 0 THEN
      RETURN NULL;
    END IF;
    RETURN coalesce((SELECT json_agg(json_build_array(u.token, u.state)) FROM unnest(v_all, v_states) AS u (token, state)), '[]')::text;
  END IF;
  WITH gone AS (
    DELETE FROM ${s}.jobs j WHERE j.seq = ANY (p_drop) AND ${HELD} RETURNING j.seq),
  ends AS MATERIALIZED (
    SELECT u.*, u.kind & 7 AS goal, (u.kind & 8) / 8 AS threw, (u.kind & 16) / 16 AS refund, (u.kind & 32) / 32 AS loss, ${nextPlace(s)} AS place
    FROM unnest(p_tokens, p_kinds, p_delays, p_failures, p_results) AS u (token, kind, delay, failure, result)),
  changed AS (
    UPDATE ${s}.jobs j SET seq = e.place, lease_end = NULL,
      state = CASE WHEN e.goal > 0 THEN e.goal WHEN e.loss = 1 AND j.losses + 1 >= j.max_losses THEN ${FAILED}
        WHEN e.delay > 0 THEN ${DELAYED} ELSE ${PENDING} END,
      losses = j.losses + e.loss,
      attempts = j.attempts - e.refund,
      exceptions = j.exceptions + e.threw,
      available_at = CASE WHEN e.goal > 0 THEN j.available_at WHEN e.delay > 0 THEN ceil(v_now + e.delay)::bigint ELSE v_ms END,
      reserved_at = CASE WHEN e.goal > 0 OR e.loss = 1 AND j.losses + 1 >= j.max_losses THEN j.reserved_at END,
      finished_at = CASE WHEN e.goal > 0 OR e.loss = 1 AND j.losses + 1 >= j.max_losses THEN v_ms END,
      failure = CASE WHEN e.loss = 1 AND j.losses + 1 >= j.max_losses THEN ${s}.lease_expired(j.losses + 1) ELSE coalesce(e.failure, j.failure) END,
      result = e.result
    FROM ends e WHERE j.seq = e.token AND ${HELD}
    RETURNING e.token, j.state, j.queue, e.goal = 0 AND j.state = ${FAILED} AS died),
  counted AS (${COUNT(s, `changed g WHERE g.state = ${COMPLETED}`)})
  SELECT v_all || array_agg(r.token), v_states || array_agg(r.state::integer), bool_or(r.died) INTO v_all, v_states, v_died FROM (
    SELECT c.token, c.state, c.died FROM changed c UNION ALL SELECT g.seq, ${FAILED}, false FROM gone g) r;
  IF v_died IS NOT TRUE AND cardinality(v_all) = cardinality(p_done) + cardinality(p_drop) + cardinality(p_tokens) THEN
    RETURN NULL;
  END IF;
  RETURN coalesce((SELECT json_agg(json_build_array(u.token, u.state)) FROM unnest(v_all, v_states) AS u (token, state)), '[]')::text;
END $jobferry$;

-- NULL when every token held, else those that did, as JSON.
CREATE FUNCTION ${s}.extend(p_tokens bigint[], p_leases double precision[]) RETURNS text ${PLANS} AS $jobferry$
DECLARE
  v_now double precision := ${s}.clock_ms();
  v_held bigint[];
BEGIN
  WITH changed AS (
    UPDATE ${s}.jobs j SET lease_end = ceil(v_now + u.lease)::bigint FROM unnest(p_tokens, p_leases) AS u (token, lease)
    WHERE j.seq = u.token AND ${HELD} RETURNING j.seq)
  SELECT array_agg(c.seq) INTO v_held FROM changed c;
  RETURN CASE WHEN cardinality(v_held) = cardinality(p_tokens) THEN NULL ELSE coalesce(to_json(v_held), '[]')::text END;
END $jobferry$;
`;

const clearing = (s: string): string => `
-- Removes the next portion of what waits, up to a place; of every queue when p_queue is NULL.
CREATE FUNCTION ${s}.clear_portion(p_queue text, p_up_to bigint, p_max integer) RETURNS integer ${PLANS} AS $jobferry$
DECLARE
  v_queue integer;
  v_removed integer := 0;
  v_count integer;
BEGIN
  FOR v_queue IN SELECT q.id FROM ${s}.queues q WHERE p_queue IS NULL OR q.name = p_queue LOOP
    WITH waiting AS MATERIALIZED (
      SELECT j.ctid AS tid FROM ${s}.jobs j WHERE j.queue = v_queue AND j.state = ${PENDING} AND j.seq <= p_up_to
      ORDER BY j.priority DESC, j.seq LIMIT p_max - v_removed FOR UPDATE SKIP LOCKED)
    DELETE FROM ${s}.jobs j USING waiting w WHERE j.ctid = w.tid;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_removed := v_removed + v_count;
    WITH waiting AS MATERIALIZED (
      SELECT j.ctid AS tid FROM ${s}.jobs j WHERE j.queue = v_queue AND j.state = ${DELAYED} AND j.seq <= p_up_to
      ORDER BY j.available_at LIMIT p_max - v_removed FOR UPDATE SKIP LOCKED)
    DELETE FROM ${s}.jobs j USING waiting w WHERE j.ctid = w.tid;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_removed := v_removed + v_count;
    EXIT WHEN v_removed >= p_max;
  END LOOP;
  RETURN v_removed;
END $jobferry$;
`;

const reading = (s: string): string => `
-- The next jobs in the order of their places, from p_after on, without what is long. p_queue 0: of every queue. p_pending, p_others: which to look at.
CREATE FUNCTION ${s}.list_after(p_after bigint, p_limit integer, p_queue integer, p_pending boolean, p_others boolean)
RETURNS TABLE (seq bigint, id text, state integer, queue integer, name text, tags text, failure text, created_at bigint, finished_at bigint)
STABLE ${PLANS} AS $jobferry$
#variable_conflict use_column
DECLARE
  v_queue integer;
  v_priority bigint;
  v_seqs bigint[] := '{}';
  v_ids text[] := '{}';
BEGIN
  IF p_others THEN
    RETURN QUERY SELECT j.seq, j.id, j.state::integer, j.queue, j.name, j.tags, j.failure, j.created_at, j.finished_at FROM ${s}.jobs j
      WHERE j.state <> ${PENDING} AND j.seq > p_after ORDER BY j.seq LIMIT p_limit;
  END IF;
  IF NOT p_pending THEN
    RETURN;
  END IF;
  -- The index of what is ready is in this order inside each priority of each queue.
  FOR v_queue IN SELECT q.id FROM ${s}.queues q WHERE p_queue = 0 OR q.id = p_queue LOOP
    v_priority := ${2 ** 31};
    LOOP
      SELECT j.priority INTO v_priority FROM ${s}.jobs j WHERE j.state = ${PENDING} AND j.queue = v_queue AND j.priority < v_priority
        ORDER BY j.priority DESC LIMIT 1;
      EXIT WHEN NOT FOUND;
      RETURN QUERY SELECT j.seq, j.id, j.state::integer, j.queue, j.name, j.tags, j.failure, j.created_at, j.finished_at FROM ${s}.jobs j
        WHERE j.state = ${PENDING} AND j.queue = v_queue AND j.priority = v_priority AND j.seq > p_after ORDER BY j.seq LIMIT p_limit;
    END LOOP;
  END LOOP;
END $jobferry$;

-- Of one moment: STABLE gives every statement in it the snapshot of the caller. p_queue NULL: of all queues together.
CREATE FUNCTION ${s}.stats(p_queue text)
RETURNS TABLE (pending bigint, delayed bigint, reserved bigint, failed bigint, completed bigint, oldest bigint, paused boolean)
STABLE ${PLANS} AS $jobferry$
#variable_conflict use_column
DECLARE
  v_queues integer[] := coalesce((SELECT array_agg(q.id) FROM ${s}.queues q WHERE p_queue IS NULL OR q.name = p_queue), '{}');
  v_queue integer;
  v_ready record;
  v_oldest bigint;
BEGIN
  FOREACH v_queue IN ARRAY v_queues LOOP
    -- The first of each priority is its oldest.
    SELECT ${2 ** 31}::bigint AS priority, NULL::bigint AS available_at INTO v_ready;
    LOOP
      SELECT j.priority::bigint AS priority, j.available_at INTO v_ready FROM ${s}.jobs j
        WHERE j.state = ${PENDING} AND j.queue = v_queue AND j.priority < v_ready.priority ORDER BY j.priority DESC, j.seq LIMIT 1;
      EXIT WHEN NOT FOUND;
      v_oldest := least(v_oldest, v_ready.available_at);
    END LOOP;
  END LOOP;
  RETURN QUERY SELECT
    (SELECT count(*) FROM ${s}.jobs j WHERE j.state = ${PENDING} AND (p_queue IS NULL OR j.queue = ANY (v_queues))),
    (SELECT count(*) FROM ${s}.jobs j WHERE j.state = ${DELAYED} AND (p_queue IS NULL OR j.queue = ANY (v_queues))),
    (SELECT count(*) FROM ${s}.jobs j WHERE j.state = ${RESERVED} AND (p_queue IS NULL OR j.queue = ANY (v_queues))),
    (SELECT count(*) FROM ${s}.jobs j WHERE j.state = ${FAILED} AND (p_queue IS NULL OR j.queue = ANY (v_queues))),
    (SELECT coalesce(sum(c.completed), 0)::bigint FROM ${s}.counters c WHERE c.queue = ANY (v_queues)),
    v_oldest,
    coalesce((SELECT bool_and(q.paused) FROM ${s}.queues q WHERE q.id = ANY (v_queues)), false);
END $jobferry$;
`;

const records = (s: string): string => `
CREATE FUNCTION ${s}.remove(p_ids text[]) RETURNS integer ${PLANS} AS $jobferry$
DECLARE
  v_count integer;
BEGIN
  DELETE FROM ${s}.jobs j WHERE j.id = ANY (p_ids) AND j.state <> ${RESERVED};
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $jobferry$;

-- Failed jobs (or delayed ones, p_state) to pending, in the order of their ids in the call. The queue of each.
CREATE FUNCTION ${s}.revive(p_ids text[], p_state integer) RETURNS SETOF text ${PLANS} AS $jobferry$
DECLARE
  v_ms bigint := floor(${s}.clock_ms())::bigint;
BEGIN
  RETURN QUERY WITH placed AS MATERIALIZED (
      SELECT u.id, ${nextPlace(s)} AS seq FROM (SELECT DISTINCT ON (v.id) v.id, v.nth FROM unnest(p_ids) WITH ORDINALITY AS v (id, nth) ORDER BY v.id, v.nth) u),
    changed AS (
      UPDATE ${s}.jobs j SET state = ${PENDING}, seq = p.seq, available_at = v_ms,
        attempts = CASE WHEN p_state = ${FAILED} THEN 0 ELSE j.attempts END, losses = CASE WHEN p_state = ${FAILED} THEN 0 ELSE j.losses END,
        exceptions = CASE WHEN p_state = ${FAILED} THEN 0 ELSE j.exceptions END, failure = CASE WHEN p_state = ${FAILED} THEN NULL ELSE j.failure END,
        reserved_at = NULL, finished_at = NULL
      FROM placed p WHERE j.id = p.id AND j.state = p_state RETURNING j.queue)
    SELECT q.name FROM changed c JOIN ${s}.queues q ON q.id = c.queue;
END $jobferry$;

-- Finished jobs beyond the retention, oldest first: their order is that of their places.
CREATE FUNCTION ${s}.prune(p_state integer, p_count bigint, p_before double precision, p_max integer) RETURNS integer ${PLANS} AS $jobferry$
DECLARE
  v_up_to bigint;
  v_count integer;
BEGIN
  SELECT j.seq INTO v_up_to FROM ${s}.jobs j WHERE j.state = p_state AND j.state >= ${FAILED} ORDER BY j.seq DESC OFFSET p_count LIMIT 1;
  WITH oldest AS MATERIALIZED (
    SELECT j.ctid AS tid, j.seq, j.finished_at FROM ${s}.jobs j WHERE j.state = p_state AND j.state >= ${FAILED}
    ORDER BY j.seq LIMIT p_max FOR UPDATE SKIP LOCKED)
  DELETE FROM ${s}.jobs j USING oldest o WHERE j.ctid = o.tid AND (o.seq <= v_up_to OR o.finished_at < p_before);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $jobferry$;
`;
