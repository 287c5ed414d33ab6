import type { RecordFilter, RecordPage, RecordStore, StoredJob } from "../../contract/index.ts";
import { invalidArgument } from "../../errors/index.ts";
import { nextTurn } from "../../runtime/index.ts";
import { portions } from "../shared/portions.ts";
import type { SqliteDatabase, SqliteValue } from "./database.ts";
import { failureOf, STATE_NUMBERS, tagsOf } from "./job-row.ts";
import type { JobRow } from "./job-row.ts";
import { DELAYED, FAILED, RESERVED } from "./schema.ts";
import { MAX_ROWS } from "./limits.ts";
import { atOneMoment } from "./one-moment.ts";
import { storedText } from "./text.ts";
import type { Transaction } from "./transaction.ts";
import type { WriteQueue } from "./write-queue.ts";

/** Rows that one step of a listing looks at before the event loop gets its turn. */
const STEP = 1_000;

type SlimRow = Pick<JobRow, "seq" | "state" | "queue" | "name" | "tags" | "failure" | "created_at" | "finished_at">;

/** Everything but payloads: a listing that filters must not read them. */
const SLIM = "seq, state, queue, name, tags, failure, created_at, finished_at";

export type RecordAccess = Readonly<{
  database: SqliteDatabase;
  tx: Transaction;
  writes: WriteQueue;
  read<T>(attempt: () => T): Promise<T>;
}>;

/** `access` gives the open connection, or throws NOT_OPEN or CLOSED. */
export function jobRecords(access: () => RecordAccess): RecordStore {
  return {
    get: async (id) => {
      const store = access();
      return readAtOnce(store, () => {
        const row = store.tx.sql.jobById.get(storedText(id)) as JobRow | undefined;
        return row === undefined ? undefined : store.tx.job(row);
      });
    },
    list: async (filter, page) => list(access, filter, page),
    remove: (ids, state) =>
      change(access, ids, (tx, row) => (state === undefined || STATE_NUMBERS[state] === row.state) && remove(tx, row)),
    retry: (ids) => change(access, ids, retry),
    promote: (ids) => change(access, ids, promote),
  };
}

function readAtOnce<T>(store: RecordAccess, read: () => T): Promise<T> {
  return store.read(() => atOneMoment(store.database, read));
}

/** The cursor is the place of the last job seen: places only rise, so what does not change its state keeps its order. */
async function list(
  access: () => RecordAccess,
  filter: RecordFilter,
  page: Readonly<{ limit: number; cursor?: string | undefined }>,
): Promise<RecordPage> {
  let after = placeOf(page.cursor);
  const jobs: StoredJob[] = [];
  for (;;) {
    const store = access();
    const seen = await readAtOnce(store, () => stepThrough(store, filter, after, page.limit - jobs.length));
    jobs.push(...seen.jobs);
    if (seen.next === undefined) return { jobs, cursor: undefined };
    after = seen.next;
    if (seen.isMore) return { jobs, cursor: String(after) };
    await new Promise<void>(nextTurn);
  }
}

type Seen = Readonly<{ jobs: readonly StoredJob[]; next: number | undefined; isMore: boolean }>;

/** `next`: after which place to go on; undefined at the end. `isMore`: another job matches beyond the limit. */
function stepThrough({ database, tx }: RecordAccess, filter: RecordFilter, after: number, limit: number): Seen {
  const { rows, last } = step(database, tx, filter, after);
  const matching = rows.filter((row) => matches(row, filter));
  const shown = matching.slice(0, limit);
  const jobs = shown.map(({ seq }) => tx.job(tx.sql.job.get(seq) as JobRow));
  const isMore = matching.length > limit;
  return { jobs, next: isMore ? (shown.at(-1)?.seq ?? after) : last, isMore };
}

function placeOf(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  const place = /^\d{1,16}$/.test(cursor) ? Number(cursor) : Number.NaN;
  if (!Number.isSafeInteger(place)) throw invalidArgument("cursor", cursor, "one that an earlier page gave");
  return place;
}

/** The next rows in the order of their places. `last`: up to where it looked; undefined at the end. */
function step(
  database: SqliteDatabase,
  tx: Transaction,
  filter: RecordFilter,
  after: number,
): { rows: readonly SlimRow[]; last: number | undefined } {
  const conditions = ["seq > ?"];
  const values: SqliteValue[] = [after];
  if (filter.state !== undefined) conditions.push(`state = ${STATE_NUMBERS[filter.state]}`);
  if (filter.queue !== undefined) {
    const queue = tx.findQueue(filter.queue);
    if (queue === undefined) return { rows: [], last: undefined };
    conditions.push("queue = ?");
    values.push(queue);
  }
  // Few jobs are reserved, and finished ones have an index in this order. For the others each step walks the table itself, so it looks at
  // no more than STEP rows whatever the filter.
  const indexed = filter.state === "reserved" || filter.state === "failed" || filter.state === "completed";
  if (indexed) {
    const sql = `SELECT ${SLIM} FROM jobferry_jobs WHERE ${conditions.join(" AND ")} ORDER BY seq LIMIT ${STEP}`;
    const rows = database.prepare(sql).all(...values) as readonly SlimRow[];
    return { rows, last: rows.length < STEP ? undefined : rows.at(-1)?.seq };
  }
  const [, ...others] = conditions;
  const window = `SELECT ${SLIM} FROM jobferry_jobs NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT ${STEP}`;
  const seen = database.prepare(
    `SELECT max(seq) AS last, count(*) AS n FROM (SELECT seq FROM jobferry_jobs NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT ${STEP})`,
  );
  const { last, n } = seen.get(after) as Readonly<{ last: number | null; n: number }>;
  const where = others.length === 0 ? "" : `WHERE ${others.join(" AND ")}`;
  const rows = database.prepare(`SELECT * FROM (${window}) ${where} ORDER BY seq`).all(...values) as readonly SlimRow[];
  return { rows, last: n < STEP ? undefined : (last ?? undefined) };
}

function matches(row: SlimRow, filter: RecordFilter): boolean {
  const { name, tag, error, before } = filter;
  if (name !== undefined && !isText(row.name, name)) return false;
  if (before !== undefined && (row.finished_at ?? row.created_at) >= before) return false;
  if (tag !== undefined) {
    const tags = tagsOf(row);
    if (!Object.hasOwn(tags, tag[0]) || tags[tag[0]] !== tag[1]) return false;
  }
  return error === undefined || hasError(row, error.toLowerCase());
}

function isText(stored: string | Uint8Array, text: string): boolean {
  const wanted = storedText(text);
  return typeof stored === "string" || typeof wanted === "string"
    ? stored === wanted
    : Buffer.compare(stored, wanted) === 0;
}

function hasError(row: SlimRow, part: string): boolean {
  const failure = failureOf(row);
  return failure !== undefined && [failure.code, failure.message].some((text) => text.toLowerCase().includes(part));
}

/** @returns whether it changed the job. */
type Change = (tx: Transaction, row: JobRow) => boolean;

async function change(access: () => RecordAccess, ids: readonly string[], apply: Change): Promise<number> {
  const { writes } = access();
  const parts = portions(ids, MAX_ROWS).map((part) =>
    writes.submit({ rows: part.length, bytes: 0, run: (tx) => changeEach(tx, part, apply) }),
  );
  let changed = 0;
  for (const count of await Promise.all(parts)) changed += count;
  return changed;
}

function changeEach(tx: Transaction, ids: readonly string[], apply: Change): number {
  let changed = 0;
  for (const id of ids) {
    const row = tx.sql.jobById.get(storedText(id)) as JobRow | undefined;
    if (row !== undefined && apply(tx, row)) changed += 1;
  }
  return changed;
}

function remove(tx: Transaction, { seq, state, body }: JobRow): boolean {
  if (state === RESERVED) return false;
  tx.sql.remove.run(seq);
  tx.dropBody(body);
  return true;
}

function retry(tx: Transaction, { seq, state, queue }: JobRow): boolean {
  if (state !== FAILED) return false;
  tx.sql.retry.run(tx.lastPlace(), tx.now, seq);
  tx.wake(tx.queueName(queue), 1);
  return true;
}

function promote(tx: Transaction, { seq, state, queue }: JobRow): boolean {
  if (state !== DELAYED) return false;
  tx.sql.promote.run(tx.lastPlace(), tx.now, seq);
  tx.wake(tx.queueName(queue), 1);
  return true;
}
