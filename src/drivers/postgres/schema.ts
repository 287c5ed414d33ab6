import { literal } from "./text.ts";

/** Of the layout below, its functions included. Rises with every migration. */
export const LAYOUT_VERSION = 2;
export const DEFAULT_SCHEMA = "jobferry";

/** `jobs.state`. The numbers are in the partial indexes and functions: never change them. */
export const PENDING = 0;
export const DELAYED = 1;
export const RESERVED = 2;
export const FAILED = 3;
export const COMPLETED = 4;

/** Rows of a queue's counter: a finish adds to the one of its connection, so that finishes do not wait for each other. */
export const COUNTER_SHARDS = 16;

/**
 * Of the hot tables. Every job leaves two dead rows (its claim and its end), so vacuum has to come by their number and not by a share of a
 * large backlog, and must not be slowed down. Nothing is ever truncated, nor is the table of long payloads (toast): that would lock out claims.
 */
const VACUUM_SETTINGS = `autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.2, autovacuum_analyze_threshold = 5000, vacuum_truncate = off,
    toast.autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_vacuum_threshold = 2000, toast.autovacuum_vacuum_cost_delay = 0,
    toast.vacuum_truncate = off`;

/** `s`: the quoted schema. */
export function nextPlace(s: string): string {
  return `nextval(${literal(`${s}.places`)})`;
}

/**
 * `seq` is the place in the line and, while a job is reserved, its token: every way out of "reserved" gives the job a new one from a sequence
 * that never repeats, so the token of a lease that is over is never found again (docs/adr/0071).
 */
export function tables(s: string): string {
  return `
CREATE TABLE ${s}.meta (key text PRIMARY KEY, value text NOT NULL);
CREATE SEQUENCE ${s}.places;
CREATE TABLE ${s}.queues (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  paused boolean NOT NULL DEFAULT false
);
CREATE TABLE ${s}.counters (
  queue integer NOT NULL,
  shard integer NOT NULL,
  completed bigint NOT NULL,
  PRIMARY KEY (queue, shard)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, vacuum_truncate = off);
CREATE TABLE ${s}.jobs (
  seq bigint NOT NULL DEFAULT ${nextPlace(s)},
  available_at bigint NOT NULL,
  created_at bigint NOT NULL,
  lease_end bigint,
  reserved_at bigint,
  finished_at bigint,
  queue integer NOT NULL,
  priority integer NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  losses integer NOT NULL DEFAULT 0,
  exceptions integer NOT NULL DEFAULT 0,
  max_losses integer NOT NULL,
  state smallint NOT NULL,
  id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  tags text,
  failure text,
  result bytea,
  envelope bytea NOT NULL,
  payload bytea NOT NULL
) WITH (${VACUUM_SETTINGS});
CREATE UNIQUE INDEX jobs_id ON ${s}.jobs (id);
CREATE INDEX jobs_ready ON ${s}.jobs (queue, priority DESC, seq) WHERE state = ${PENDING};
CREATE INDEX jobs_others ON ${s}.jobs (seq) WHERE state <> ${PENDING};
CREATE INDEX jobs_delayed ON ${s}.jobs (queue, available_at) WHERE state = ${DELAYED};
CREATE INDEX jobs_leased ON ${s}.jobs (queue, lease_end) WHERE state = ${RESERVED};
CREATE INDEX jobs_finished ON ${s}.jobs (state, seq) WHERE state >= ${FAILED};
`;
}
