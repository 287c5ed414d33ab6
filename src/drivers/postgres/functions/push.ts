import { DELAYED, PENDING } from "../schema.ts";

const insert = (s: string): string => `
    INSERT INTO ${s}.jobs (available_at, created_at, queue, priority, max_losses, state, id, name, tags, envelope, payload)
    SELECT CASE WHEN u.due > v_now THEN ceil(u.due) ELSE floor(v_now) END::bigint, coalesce(u.created, p_created[1])::bigint,
      v_queues[coalesce(u.queue, 1)], coalesce(u.priority, p_priorities[1]), coalesce(u.max_losses, p_max_losses[1]),
      CASE WHEN u.due > v_now THEN ${DELAYED} ELSE ${PENDING} END, u.id, coalesce(u.name, p_names[1]), u.tags, u.envelope, u.payload
    FROM (
      SELECT u.*, coalesce(u.run_at, v_now + coalesce(u.delay, p_delays[1])) AS due
      FROM unnest(p_queue, p_ids, p_names, p_priorities, p_max_losses, p_created, p_delays, p_run_at, p_tags, p_envelopes, p_payloads)
        AS u (queue, id, name, priority, max_losses, created, delay, run_at, tags, envelope, payload)) u`;

export const pushing = (s: string): string => `
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
