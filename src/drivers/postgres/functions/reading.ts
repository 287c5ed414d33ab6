import { DELAYED, FAILED, PENDING, RESERVED } from "../schema.ts";
import { PLANS } from "./plans.ts";

export const reading = (s: string): string => `
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
