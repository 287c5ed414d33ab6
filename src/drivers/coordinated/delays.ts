import type { Clock, CoordinationEntry, Version, WatchEvent } from "../../contract/index.ts";

type Known = { version: Version; due: number };

/**
 * When the buckets of delayed jobs are due, as their markers tell: each holds the time before which no job is put into its bucket. A watch
 * keeps this current; what this process puts itself it knows at once. A time that is too early costs a look, and the look corrects it.
 */
export class Delays {
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  saw(event: WatchEvent): void {
    // What a reset does not name may have been put since it was read: the next listing tells.
    if (event.kind === "change") for (const key of event.removed) this.#known.delete(key);
    for (const entry of event.entries) this.#learn(entry.key, entry.version, dueIn(entry));
  }

  /** As they are now, before markers are listed. */
  get versions(): ReadonlyMap<string, Version> {
    return new Map([...this.#known].map(([key, { version }]) => [key, version]));
  }

  /** All markers there are. `before`: `versions` from before they were listed, because what was put meanwhile may be missing there. */
  listed(entries: readonly CoordinationEntry[], before: ReadonlyMap<string, Version>): void {
    const there = new Set(entries.map(({ key }) => key));
    for (const [key, { version }] of this.#known)
      if (!there.has(key) && before.get(key) === version) this.#known.delete(key);
    for (const entry of entries) this.#learn(entry.key, entry.version, dueIn(entry));
  }

  /** `version` is "" when it is not known: any other is newer. */
  placed(marker: string, version: Version, due: number): void {
    const known = this.#known.get(marker);
    this.#known.set(marker, {
      version: version === "" ? (known?.version ?? "0") : version,
      due: Math.min(due, known?.due ?? due),
    });
  }

  /** The bucket was looked at under this version of its marker, and this is its first job now. */
  looked(marker: string, version: Version, due: number): void {
    const known = this.#known.get(marker);
    if (known?.version === version) known.due = due;
  }

  gone(marker: string, version: Version): void {
    if (this.#known.get(marker)?.version === version) this.#known.delete(marker);
  }

  /** The buckets that hold something due, with the versions of their markers, the earliest first. */
  get due(): readonly Readonly<{ key: string; version: Version }>[] {
    const now = this.#clock.now();
    const found = [...this.#known].filter(([, { due }]) => due <= now);
    return found.toSorted(([, a], [, b]) => a.due - b.due).map(([key, { version }]) => ({ key, version }));
  }

  get nextInMs(): number {
    let next = Infinity;
    for (const { due } of this.#known.values()) if (due < next) next = due;
    return next - this.#clock.now();
  }

  #learn(key: string, version: Version, due: number): void {
    const known = this.#known.get(key);
    if (known !== undefined && BigInt(known.version) >= BigInt(version)) return;
    this.#known.set(key, { version, due });
  }
}

function dueIn({ value }: CoordinationEntry): number {
  return Number(Buffer.from(value).toString());
}
