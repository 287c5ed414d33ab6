import { COMPLETED, COUNTER_SHARDS, DELAYED, FAILED, nextPlace, PENDING, RESERVED } from "../schema.ts";
import { PLANS } from "./plans.ts";

/** Looked up by place: written so that no plan walks the index of all leases instead, which took ten times as long. */
const HELD = `j.state <> ${PENDING} AND j.state + 0 = ${RESERVED}`;

const COUNT = (s: string, from: string): string => `
    INSERT INTO ${s}.counters AS c (queue, shard, completed)
    SELECT g.queue, pg_backend_pid() % ${COUNTER_SHARDS}, count(*) FROM ${from} GROUP BY g.queue ORDER BY g.queue
    ON CONFLICT (queue, shard) DO UPDATE SET completed = c.completed + excluded.completed`;

export const finishing = (s: string): string => `
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
  -- Where more than one statement takes rows: all in the order in which extend takes them, or the two may wait for each other.
  IF cardinality(p_done) + cardinality(p_drop) > 0 AND cardinality(p_tokens) > 0 OR cardinality(p_tokens) > 1 THEN
    PERFORM FROM ${s}.jobs j WHERE j.seq = ANY (p_done || p_drop || p_tokens) AND ${HELD} ORDER BY j.seq FOR UPDATE;
  END IF;
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
