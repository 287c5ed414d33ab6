import type { JobState, RecordFilter, RecordPage, RecordStore, StoredJob } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import type { Listing } from "./listing.ts";
import type { MemoryStore } from "./memory-store.ts";
import { type Slot, snapshotOf } from "./slot.ts";

/** How many jobs one page looks at before it is given up as it is, with a cursor: keeps a search from blocking the process. */
const MAX_SCANNED = 20_000;

type ListingName = "live" | "failed" | "completed";

export class MemoryRecords implements RecordStore {
  readonly #store: () => MemoryStore;
  readonly #wake: () => void;

  /** `store` gives it as of now; `wake` tells that something may have become pending. */
  constructor(store: () => MemoryStore, wake: () => void) {
    this.#store = store;
    this.#wake = wake;
  }

  async get(id: string): Promise<StoredJob | undefined> {
    const store = this.#store();
    const slot = store.find(id);
    return slot === undefined ? undefined : snapshotOf(slot, store.epoch);
  }

  async list(
    filter: RecordFilter,
    page: Readonly<{ limit: number; cursor?: string | undefined }>,
  ): Promise<RecordPage> {
    const store = this.#store();
    const names = listingsFor(filter);
    const start = parseCursor(page.cursor, names);
    const jobs: StoredJob[] = [];
    let scanned = 0;
    for (const name of names.slice(names.indexOf(start.listing))) {
      const listing: Listing = store[name];
      for (const slot of listing.after(name === start.listing ? start.order : 0)) {
        scanned += 1;
        if (matches(slot, filter)) jobs.push(snapshotOf(slot, store.epoch));
        if (jobs.length >= page.limit || scanned >= MAX_SCANNED) return { jobs, cursor: `${name}:${slot.order}` };
      }
    }
    return { jobs, cursor: undefined };
  }

  async remove(ids: readonly string[], state?: JobState): Promise<number> {
    const may = (slot: Slot): boolean => slot.state !== "reserved" && (state === undefined || slot.state === state);
    return this.#forEach(ids, (slot, store) => may(slot) && (store.remove(slot), true));
  }

  async retry(ids: readonly string[]): Promise<number> {
    const count = this.#forEach(
      ids,
      (slot, store) => slot.state === "failed" && (store.retry(slot, store.now()), true),
    );
    this.#wake();
    return count;
  }

  async promote(ids: readonly string[]): Promise<number> {
    const count = this.#forEach(
      ids,
      (slot, store) => slot.state === "delayed" && (store.promote(slot, store.now()), true),
    );
    this.#wake();
    return count;
  }

  #forEach(ids: readonly string[], act: (slot: Slot, store: MemoryStore) => boolean): number {
    const store = this.#store();
    let done = 0;
    for (const id of ids) {
      const slot = store.find(id);
      if (slot !== undefined && act(slot, store)) done += 1;
    }
    return done;
  }
}

function listingsFor({ state }: RecordFilter): readonly ListingName[] {
  if (state === undefined) return ["live", "failed", "completed"];
  return [state === "failed" || state === "completed" ? state : "live"];
}

function parseCursor(
  cursor: string | undefined,
  names: readonly ListingName[],
): { listing: ListingName; order: number } {
  const [first = "live"] = names;
  if (cursor === undefined) return { listing: first, order: 0 };
  const [name, order] = cursor.split(":");
  const listing = names.find((one) => one === name);
  if (listing === undefined || !/^\d+$/.test(order ?? "")) {
    throw new JobferryError("INVALID_ARGUMENT", "cursor is not one that this listing gave. Start without a cursor.");
  }
  return { listing, order: Number(order) };
}

function matches(slot: Slot, filter: RecordFilter): boolean {
  const { item, rest, failure } = slot;
  if (filter.state !== undefined && slot.state !== filter.state) return false;
  if (filter.queue !== undefined && item.queue !== filter.queue) return false;
  if (filter.name !== undefined && item.name !== filter.name) return false;
  if (
    filter.tag !== undefined &&
    !(Object.hasOwn(item.tags, filter.tag[0]) && item.tags[filter.tag[0]] === filter.tag[1])
  )
    return false;
  if (filter.before !== undefined && (rest?.finishedAt ?? item.createdAt) >= filter.before) return false;
  if (filter.error === undefined) return true;
  return `${failure?.code ?? ""}\n${failure?.message ?? ""}`.toLowerCase().includes(filter.error.toLowerCase());
}
