import { DELAYED, FAILED, nextPlace, PENDING, RESERVED } from "../schema.ts";
import { PLANS } from "./plans.ts";
import { infoRow, ROW, valuesOf } from "./rows.ts";

export const upkeep = (s: string): string => `
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
