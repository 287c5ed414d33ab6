import { FAILED, PENDING, RESERVED } from "../schema.ts";
import { PLANS } from "./plans.ts";
import { infoRow, ROW, valuesOf } from "./rows.ts";

/** Delayed jobs that become due, and leases that ran out, are taken care of in such portions by a claim. */
const DUE_PORTION = 500;

export const claiming = (s: string): string => `
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
