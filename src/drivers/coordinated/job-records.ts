import type {
  CoordinationEntry,
  JobState,
  RecordFilter,
  RecordPage,
  RecordStore,
  StoredJob,
} from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { keyOfDamaged, readJob } from "./damaged-job.ts";
import { type Kept, stored } from "./job-value.ts";
import type { JobStore } from "./job-store.ts";
import { segmentOf, type ShelfKind } from "./keys.ts";
import type { Counted } from "./part.ts";
import { done, gone, type Move, type Place, toReady } from "./moves.ts";
import { Turns } from "./turns.ts";

/** Jobs that one page looks at before it ends as it is, with a cursor. */
const MAX_SCANNED = 2_000;
const ENTRIES = 128;
/** Looks for a job that is moving. */
const LOOKS = 4;
const AT_ONCE = 8;

const STATES = { r: "pending", d: "delayed", f: "failed", c: "completed" } as const;
const COUNTED_AS: Readonly<Record<ShelfKind, Counted>> = { r: "pending", d: "delayed", f: "failed", c: "kept" };
/** The order of a listing: what lives, then what rests. "p" is what is held. */
const ORDER = ["r", "d", "p", "f", "c"] as const;
type Part = (typeof ORDER)[number];

type Found = Readonly<{ job: Kept; state: JobState; place: Place }>;
type Cursor = Readonly<{ part: Part; bucket: string; after: string }>;
type Page = { readonly jobs: StoredJob[]; scanned: number };

/** `forget`: jobs were taken away that a claim may remember. */
export function jobRecords(open: () => Promise<JobStore>, forget: () => void): RecordStore {
  const change = async (
    ids: readonly string[],
    moveOf: (js: JobStore, found: Found) => Move | undefined,
  ): Promise<number> => {
    const js = await open();
    const turns = new Turns(AT_ONCE);
    const changed = await Promise.all([...new Set(ids)].map((id) => turns.run(() => changeOne(js, id, moveOf))));
    forget();
    return changed.filter(Boolean).length;
  };
  return {
    get: async (id) => {
      const found = await find(await open(), id);
      return found && stored(found.job, found.state);
    },
    list: async (filter, page) => list(await open(), filter, page),
    remove: (ids, only) =>
      change(ids, (js, { job, state, place }) =>
        state === "reserved" || (only !== undefined && state !== only) ? undefined : gone(js, place, job),
      ),
    retry: (ids) =>
      change(ids, (js, { job, state, place }) => (state === "failed" ? toReady(js, place, anew(js, job)) : undefined)),
    promote: (ids) =>
      change(ids, (js, { job, state, place }) =>
        state === "delayed" ? toReady(js, place, { ...job, availableAt: js.clock.now() }) : undefined,
      ),
  };
}

function anew({ clock }: JobStore, job: Kept): Kept {
  const counts = { attempts: 0, losses: 0, exceptions: 0 };
  return { ...job, ...counts, failure: undefined, finishedAt: undefined, availableAt: clock.now() };
}

async function changeOne(
  js: JobStore,
  id: string,
  moveOf: (js: JobStore, found: Found) => Move | undefined,
): Promise<boolean> {
  for (let look = 0; look < LOOKS; look += 1) {
    const found = await find(js, id);
    const move = found && moveOf(js, found);
    if (move === undefined) return false;
    const life = await js.life();
    const committed = await life.ledger.commit([move.part]);
    done(js, [move], committed);
    if (committed.ok) return true;
    await life.doubt();
  }
  return false;
}

/** The key of the id says where the job was put last; from there it can only have been taken by a process that holds it now. */
async function find(js: JobStore, id: string): Promise<Found | undefined> {
  const { store, keys } = js;
  for (let look = 0; look < LOOKS; look += 1) {
    const pointer = await store.get(keys.id(id));
    const lies = pointer === undefined ? keyOfDamaged(keys, id) : Buffer.from(pointer.value).toString();
    if (lies === undefined) return undefined;
    const entry = await store.get(lies);
    if (entry !== undefined) {
      const kind = keys.kindOf(entry.key);
      const place = { key: entry.key, version: entry.version, counted: COUNTED_AS[kind] };
      return { job: jobIn(js, entry), state: STATES[kind], place };
    }
    const owners = await js.owners.all();
    const held = await Promise.all(owners.map((owner) => store.list(keys.heldAny(owner, id), { limit: 1 })));
    const one = held.flatMap(({ entries }) => entries)[0];
    if (one === undefined) continue;
    const place = { key: one.key, version: one.version, counted: "reserved" } as const;
    return { job: jobIn(js, one), state: "reserved", place };
  }
  return undefined;
}

function jobIn({ keys, room }: JobStore, { key, value }: CoordinationEntry): Kept {
  return readJob(keys, key, value, room.payloadBytes).job;
}

async function list(
  js: JobStore,
  filter: RecordFilter,
  page: Readonly<{ limit: number; cursor?: string | undefined }>,
): Promise<RecordPage> {
  const parts = partsFor(filter);
  const start = cursorOf(page.cursor, parts);
  const found: Page = { jobs: [], scanned: 0 };
  for (const part of parts.slice(parts.indexOf(start.part))) {
    const from = part === start.part ? start : { part, bucket: "", after: "" };
    const cursor =
      part === "p"
        ? await listHeld(js, filter, page.limit, from, found)
        : await listShelf(js, part, filter, page.limit, from, found);
    if (cursor !== undefined) return { jobs: found.jobs, cursor: textOf(cursor) };
  }
  return { jobs: found.jobs, cursor: undefined };
}

function partsFor({ state }: RecordFilter): readonly Part[] {
  if (state === undefined) return ORDER;
  if (state === "reserved") return ["p"];
  return ORDER.filter((part) => part !== "p" && STATES[part] === state);
}

/** The cursor at which the page is full; undefined when the shelf has no more. */
async function listShelf(
  js: JobStore,
  kind: ShelfKind,
  filter: RecordFilter,
  limit: number,
  from: Cursor,
  found: Page,
): Promise<Cursor | undefined> {
  const { keys, shelves } = js;
  const of = kind === "r" && filter.queue !== undefined ? `${segmentOf(filter.queue)}.` : "";
  for (const marker of await shelves.markers(kind, { of })) {
    const bucket = keys.bucketOf(marker.key);
    if (bucket < from.bucket) continue;
    for (let after = bucket === from.bucket ? from.after : ""; ;) {
      const entries = await shelves.entries(marker, { limit: ENTRIES, ...(after === "" ? {} : { after }) });
      for (const { key, job } of entries) {
        after = key;
        if (isFull(found, filter, stored(job, STATES[kind]), limit)) return { part: kind, bucket, after };
      }
      if (entries.length < ENTRIES) break;
    }
  }
  return undefined;
}

async function listHeld(
  js: JobStore,
  filter: RecordFilter,
  limit: number,
  from: Cursor,
  found: Page,
): Promise<Cursor | undefined> {
  const { store, keys, owners } = js;
  for (const owner of await owners.all()) {
    if (owner < from.bucket) continue;
    const after = owner === from.bucket && from.after !== "" ? { after: from.after } : {};
    for (const entry of (await store.list(keys.heldBy(owner), after)).entries) {
      if (isFull(found, filter, stored(jobIn(js, entry), "reserved"), limit))
        return { part: "p", bucket: owner, after: entry.key };
    }
  }
  return undefined;
}

function isFull(page: Page, filter: RecordFilter, job: StoredJob, limit: number): boolean {
  page.scanned += 1;
  if (matches(job, filter)) page.jobs.push(job);
  return page.jobs.length >= limit || page.scanned >= MAX_SCANNED;
}

function matches(job: StoredJob, { queue, name, tag, error, before }: RecordFilter): boolean {
  if (queue !== undefined && job.queue !== queue) return false;
  if (name !== undefined && job.name !== name) return false;
  if (tag !== undefined && (!Object.hasOwn(job.tags, tag[0]) || job.tags[tag[0]] !== tag[1])) return false;
  if (before !== undefined && (job.finishedAt ?? job.createdAt) >= before) return false;
  if (error === undefined) return true;
  const { code = "", message = "" } = job.failure ?? {};
  return `${code}\n${message}`.toLowerCase().includes(error.toLowerCase());
}

function textOf({ part, bucket, after }: Cursor): string {
  return Buffer.from(JSON.stringify([part, bucket, after])).toString("base64url");
}

/** @throws INVALID_ARGUMENT for one that another listing gave. */
function cursorOf(text: string | undefined, parts: readonly Part[]): Cursor {
  const [first = "r"] = parts;
  if (text === undefined) return { part: first, bucket: "", after: "" };
  try {
    const [part, bucket, after] = JSON.parse(Buffer.from(text, "base64url").toString()) as readonly unknown[];
    const known = parts.find((one) => one === part);
    if (known !== undefined && typeof bucket === "string" && typeof after === "string")
      return { part: known, bucket, after };
  } catch {
    // Told below.
  }
  throw new JobferryError("INVALID_ARGUMENT", "cursor is none of this listing. Pass on what the page before gave.");
}
