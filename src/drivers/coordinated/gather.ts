import type { CoordinationEntry } from "../../contract/index.ts";
import type { Contention } from "./contention.ts";
import type { JobStore } from "./job-store.ts";
import { groupOfReadyBucket, ownerOfBucket, segmentOf } from "./keys.ts";
import { ENTRIES_AT_ONCE, type Shelved } from "./shelves.ts";

/** Markers of one look behind those that led to nothing. */
const MORE_MARKERS = 64;
/** Beyond those that are needed where all buckets are full: some are half taken, and the next one tells that the one before gets no more jobs. */
const SPARE_MARKERS = 2;

/** Jobs of one bucket. `last`: its marker, where these are all that is left in it and its owner has begun another one. */
export type Found = Readonly<{ jobs: readonly Shelved[]; last: CoordinationEntry | undefined }>;

/**
 * The first jobs in the order of priorities and buckets. Where others claim, too, each looks at another place: a bucket of the same priority, or a part
 * of one, so that they do not meet again.
 */
export async function gather(
  js: JobStore,
  contention: Contention,
  queue: string,
  want: number,
): Promise<readonly Found[]> {
  const of = `${segmentOf(queue)}.`;
  const buckets = Math.ceil(want / js.shelves.bucketJobs);
  let limit = contention.lookFor(buckets) + SPARE_MARKERS;
  for (let after = ""; ;) {
    // The buckets that came next the last time are read beside the markers, which tell whether they still do.
    const [markers] = await Promise.all([
      js.shelves.markers("r", { of, limit, ...(after === "" ? {} : { after }) }),
      after === "" ? contention.readAhead(js, queue, want) : undefined,
    ]);
    if (after === "") contention.expect(queue, markers);
    const { found, empty } = await jobsUnder(js, contention, markers, want, buckets);
    if (found.length > 0) return found;
    // What was empty is tidied away, and others came forward.
    if (empty > 0) continue;
    const end = markers.at(-1);
    if (end === undefined || markers.length < limit) return [];
    // Nothing but jobs that are passed over.
    [after, limit] = [end.key, MORE_MARKERS];
  }
}

async function jobsUnder(
  js: JobStore,
  contention: Contention,
  markers: readonly CoordinationEntry[],
  want: number,
  buckets: number,
): Promise<Readonly<{ found: readonly Found[]; empty: number }>> {
  const found: Found[] = [];
  let [count, empty] = [0, 0];
  const chosen = contention.chosen(markers, (marker) => groupOf(js, marker), buckets);
  const ordered = [...chosen, ...markers.filter((marker) => !chosen.includes(marker))];
  for (let at = 0; at < ordered.length && count < want;) {
    // Each further look is a request, in which others come first.
    if (count > 0 && contention.isContended) break;
    const some = ordered.slice(
      at,
      at < chosen.length ? chosen.length : at + Math.ceil((want - count) / js.shelves.bucketJobs),
    );
    at += some.length;
    const read = await Promise.all(some.map((marker) => contention.entries(js, marker)));
    for (const [index, marker] of some.entries()) {
      const entries = read[index] ?? [];
      if (entries.length === 0) {
        empty += 1;
        await js.shelves.tidy(marker);
      }
      const free = entries.filter(({ key }) => !js.stuck.isPassedOver(key));
      const jobs = contention.share(free, want - count);
      if (jobs.length === 0) continue;
      const isAll = jobs.length === entries.length && entries.length < ENTRIES_AT_ONCE;
      found.push({ jobs, last: isAll && isLeft(js, marker, markers) ? marker : undefined });
      count += jobs.length;
    }
  }
  return { found, empty };
}

const groupOf = ({ keys }: JobStore, { key }: CoordinationEntry): string => groupOfReadyBucket(keys.bucketOf(key));

/** Whoever puts jobs there does it in one bucket of a group after the other. What was on its way then still changes the marker. */
function isLeft(js: JobStore, marker: CoordinationEntry, markers: readonly CoordinationEntry[]): boolean {
  const owner = ownerOfBucket(marker.key);
  return markers.some(
    (later) =>
      later.key > marker.key && ownerOfBucket(later.key) === owner && groupOf(js, later) === groupOf(js, marker),
  );
}
