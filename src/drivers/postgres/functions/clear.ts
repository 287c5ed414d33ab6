import { DELAYED, PENDING } from "../schema.ts";
import { PLANS } from "./plans.ts";

export const clearing = (s: string): string => `
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
