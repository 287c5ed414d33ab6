import { FAILED, nextPlace, PENDING, RESERVED } from "../schema.ts";
import { PLANS } from "./plans.ts";

export const records = (s: string): string => `
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
