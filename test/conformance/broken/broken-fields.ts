// Guarantee 6: payload and every field come back as they were. One broken driver for each field, generated from the type.
import type { PushItem } from "../../../src/contract/index.ts";
import { pushing } from "./breaking.ts";
import type { Broken } from "./breaking.ts";

type Spoiled = Readonly<{ caughtBy: string; spoil: (job: PushItem) => Partial<PushItem> }>;
type SpoiledFields = { readonly [K in keyof PushItem]-?: Spoiled };

const text = (bytes: Uint8Array): Uint8Array => new TextEncoder().encode(new TextDecoder().decode(bytes));

const spoiled: SpoiledFields = {
  id: { caughtBy: "fields: hostile ids and job names stay apart", spoil: (job) => ({ id: job.id.toLowerCase() }) },
  sequence: {
    caughtBy: "fields: sequence comes back: the number in an id of this process",
    // A number alone says nothing: whoever takes it for the id gives another job back.
    spoil: (job) => (job.sequence === undefined ? {} : { id: String(job.sequence) }),
  },
  queue: {
    caughtBy: "fields: hostile queue names stay apart",
    spoil: (job) => ({ queue: job.queue.normalize("NFC") }),
  },
  name: {
    caughtBy: "fields: name comes back: outside ASCII",
    spoil: (job) => ({ name: job.name.replaceAll(/[^\x20-\x7e]/g, "?") }),
  },
  priority: {
    caughtBy: "fields: priority comes back: the highest",
    spoil: (job) => ({ priority: Math.min(job.priority, 9) }),
  },
  tags: {
    caughtBy: "fields: tags comes back: hostile keys and values",
    spoil: (job) => {
      const tags: Record<string, string> = {};
      for (const [key, value] of Object.entries(job.tags)) tags[key] = value;
      return { tags };
    },
  },
  delayMs: {
    caughtBy: "delays: a delayed job comes at its time: never earlier, and late at most by the precision",
    spoil: () => ({ delayMs: 0 }),
  },
  runAt: { caughtBy: "delays: runAt takes the place of the delay", spoil: () => ({ runAt: undefined }) },
  maxLosses: { caughtBy: "leases: maxLosses 1: the first loss is the last", spoil: () => ({ maxLosses: 3 }) },
  createdAt: {
    caughtBy: "fields: createdAt comes back: the producer's clock, far behind the store's",
    spoil: () => ({ createdAt: 1_900_000_000_000 }),
  },
  envelope: {
    caughtBy: "fields: envelope comes back: every byte there is",
    spoil: (job) => ({ envelope: text(job.envelope) }),
  },
  payload: {
    caughtBy: "fields: payload comes back: bytes that are no UTF-8",
    spoil: (job) => ({ payload: text(job.payload) }),
  },
  payloadText: {
    caughtBy: "fields: payloadText comes back: one byte a character in memory, two on the wire",
    spoil: ({ payloadText }) => (payloadText === undefined ? {} : { payload: Buffer.from(payloadText, "latin1") }),
  },
};

export const brokenFields: readonly Broken[] = [
  ...Object.entries(spoiled).map(([field, { caughtBy, spoil }]: [string, Spoiled]) => ({
    breaks: `the field ${field} comes back as it was`,
    caughtBy,
    wrap: pushing((job) => ({ ...job, ...spoil(job) })),
  })),
  {
    breaks: "a payload of 1 MB comes back whole",
    caughtBy: "fields: payload comes back: 1 MB",
    wrap: pushing((job) => ({ ...job, payload: job.payload.subarray(0, 65_536) })),
  },
  {
    breaks: "an empty payload is a payload",
    caughtBy: "fields: payload comes back: nothing at all",
    wrap: pushing((job) => ({ ...job, payload: job.payload.length === 0 ? Uint8Array.of(0) : job.payload })),
  },
  {
    breaks: "names that a backend folds together stay apart",
    caughtBy: "fields: hostile queue names stay apart",
    wrap: pushing((job) => ({ ...job, queue: job.queue.toLowerCase() })),
  },
];
