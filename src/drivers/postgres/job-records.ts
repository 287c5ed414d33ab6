import type { RecordFilter, RecordPage, RecordStore, StoredJob } from "../../contract/index.ts";
import { invalidArgument } from "../../errors/index.ts";
import { portions } from "../shared/portions.ts";
import { binaryArray } from "./arrays.ts";
import type { Row } from "./connections.ts";
import { failureOf, STATES, storedJob, tagsOf } from "./job-row.ts";
import { MAX_ROWS } from "./limits.ts";
import type { OpenStore } from "./open-store.ts";
import { DELAYED, FAILED } from "./schema.ts";
import { storedText, textOf } from "./text.ts";

/** Rows that one step of a listing looks at. */
const STEP = 1_000;

/** A row of `list_after`. */
type Slim = Readonly<{
  seq: number;
  id: string;
  state: number;
  queue: string;
  name: string;
  tags: string | null;
  failure: string | null;
  createdAt: number;
  finishedAt: number | undefined;
}>;

/** `access` gives the open store, or throws NOT_OPEN or CLOSED. */
export function jobRecords(access: () => OpenStore): RecordStore {
  return {
    get: async (id) => {
      const [job] = await jobsById(access(), [storedText(id)]);
      return job?.job;
    },
    list: async (filter, page) => list(access, filter, page),
    remove: async (ids, state) => {
      const only = state === undefined ? null : STATES.indexOf(state);
      let removed = 0;
      const upTo = await lastPlace(access());
      for (const part of portions(ids, MAX_ROWS)) {
        const [row] = await access().query("remove", [textArray(part), upTo, only]);
        removed += Number(row?.[0]);
      }
      return removed;
    },
    retry: (ids) => revive(access, ids, FAILED),
    promote: (ids) => revive(access, ids, DELAYED),
  };
}

const textArray = (texts: readonly string[]): Buffer => binaryArray({ type: "text", values: texts.map(storedText) });

/** The newest place that was given. Every job that is pushed, retried or handed back later has a higher one. */
export async function lastPlace(store: OpenStore): Promise<number> {
  const [row] = await store.query("lastPlace", []);
  return Number(row?.[0]);
}

async function revive(
  access: () => OpenStore,
  ids: readonly string[],
  state: typeof FAILED | typeof DELAYED,
): Promise<number> {
  let revived = 0;
  for (const part of portions(ids, MAX_ROWS)) {
    const store = access();
    const rows = await store.query("revive", [textArray(part), state]);
    revived += rows.length;
    for (const [queue] of rows) store.wake(textOf(queue ?? ""), 1);
  }
  return revived;
}

type Found = Readonly<{ seq: number; job: StoredJob }>;

/** `ids` as they are stored. */
export async function jobsById(store: OpenStore, ids: readonly string[]): Promise<readonly Found[]> {
  if (ids.length === 0) return [];
  const rows = await store.query("jobs", [binaryArray({ type: "text", values: ids })]);
  return rows.map((row) => ({
    seq: Number(row[2]),
    job: storedJob(row, STATES[Number(row[0])] ?? "failed", textOf(row[1] ?? "")),
  }));
}

/** The cursor is the place of the last job seen: places only rise, so what does not change its state keeps its order. */
async function list(
  access: () => OpenStore,
  filter: RecordFilter,
  page: Readonly<{ limit: number; cursor?: string | undefined }>,
): Promise<RecordPage> {
  let after = placeOf(page.cursor);
  const jobs: StoredJob[] = [];
  const queues = await access().queueNames();
  const queue = filter.queue === undefined ? undefined : queues.find(({ name }) => name === filter.queue)?.id;
  if (filter.queue !== undefined && queue === undefined) return { jobs, cursor: undefined };
  const names = new Map(queues.map(({ id, name }) => [String(id), name]));
  for (;;) {
    const store = access();
    const looked = await step(store, filter, after, queue ?? 0, names);
    const matching = looked.filter((slim) => matches(slim, filter));
    const shown = matching.slice(0, page.limit - jobs.length);
    jobs.push(...(await whole(store, shown)));
    const isMore = matching.length > shown.length;
    const last = looked.at(-1)?.seq;
    if (isMore) return { jobs, cursor: String(shown.at(-1)?.seq ?? after) };
    if (looked.length < STEP || last === undefined) return { jobs, cursor: undefined };
    after = last;
    if (jobs.length >= page.limit) return { jobs, cursor: String(after) };
  }
}

/** What changed since it was looked at is left out: it will stand elsewhere. */
async function whole(store: OpenStore, slims: readonly Slim[]): Promise<readonly StoredJob[]> {
  const found = new Map(
    (
      await jobsById(
        store,
        slims.map(({ id }) => id),
      )
    ).map(({ seq, job }) => [seq, job]),
  );
  return slims.flatMap(({ seq }) => found.get(seq) ?? []);
}

function placeOf(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  const place = /^\d{1,16}$/.test(cursor) ? Number(cursor) : Number.NaN;
  if (!Number.isSafeInteger(place)) throw invalidArgument("cursor", cursor, "one that an earlier page gave");
  return place;
}

async function step(
  store: OpenStore,
  { state }: RecordFilter,
  after: number,
  queue: number,
  names: ReadonlyMap<string, string>,
): Promise<readonly Slim[]> {
  const pending = state === undefined || state === "pending";
  const rows = await store.query("list", [after, STEP, queue, pending, state !== "pending"]);
  return rows.map((row) => slimOf(row, names));
}

function slimOf(row: Row, names: ReadonlyMap<string, string>): Slim {
  const [seq, id, state, queue, name, tags, failure, createdAt, finishedAt] = row;
  return {
    seq: Number(seq),
    id: id ?? "",
    state: Number(state),
    queue: names.get(queue ?? "") ?? "",
    name: textOf(name ?? ""),
    tags: tags ?? null,
    failure: failure ?? null,
    createdAt: Number(createdAt),
    finishedAt: typeof finishedAt === "string" ? Number(finishedAt) : undefined,
  };
}

function matches(slim: Slim, { state, queue, name, tag, error, before }: RecordFilter): boolean {
  if (state !== undefined && STATES[slim.state] !== state) return false;
  if (queue !== undefined && slim.queue !== queue) return false;
  if (name !== undefined && slim.name !== name) return false;
  if (before !== undefined && (slim.finishedAt ?? slim.createdAt) >= before) return false;
  if (tag !== undefined) {
    const tags = tagsOf(slim.tags);
    if (!Object.hasOwn(tags, tag[0]) || tags[tag[0]] !== tag[1]) return false;
  }
  return error === undefined || hasError(slim, error.toLowerCase());
}

function hasError(slim: Slim, part: string): boolean {
  const failure = failureOf(slim.failure);
  return failure !== undefined && [failure.code, failure.message].some((text) => text.toLowerCase().includes(part));
}
