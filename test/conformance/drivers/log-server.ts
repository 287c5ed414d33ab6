import type { Clock } from "../../../src/contract/index.ts";

/** How long a consumer that died silently keeps its topics. */
export const MEMBER_TIMEOUT_MS = 6_000;

export type LogRecord = Readonly<{ offset: number; headers: Uint8Array; body: Uint8Array }>;
export type Assignment = Readonly<{ generation: number; committed: number }>;
type Group = { owner: object | undefined; generation: number; committed: number; deliveries: Map<number, number> };

/** A log with one partition a topic and one consumer group: records are only appended, a group's place is one offset, one member at a time reads. */
export class LogServer {
  readonly #clock: Clock;
  readonly #topics = new Map<string, LogRecord[]>();
  readonly #groups = new Map<string, Group>();
  readonly #silentUntil = new Map<object, number>();
  #generations = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async append(topic: string, headers: Uint8Array, body: Uint8Array): Promise<void> {
    await Promise.resolve();
    const records = this.#topics.get(topic) ?? [];
    this.#topics.set(topic, records);
    records.push({ offset: records.length, headers, body });
  }

  /** The member's place in the topic; undefined while another living member has it. A new owner begins where the group committed. */
  assign(topic: string, member: object): Assignment {
    const group = this.#group(topic);
    if (group.owner !== member && this.#isFree(group)) {
      group.owner = member;
      group.generation = this.#generations += 1;
    }
    return { generation: group.owner === member ? group.generation : 0, committed: group.committed };
  }

  async fetch(topic: string, from: number, max: number): Promise<readonly LogRecord[]> {
    await Promise.resolve();
    return (this.#topics.get(topic) ?? []).slice(from, from + max);
  }

  /** How often these offsets were handed out before, and one more from now on; kept with the group. Nothing when the generation is over. */
  async countDeliveries(
    topic: string,
    generation: number,
    offsets: readonly number[],
  ): Promise<readonly number[] | undefined> {
    await Promise.resolve();
    const group = this.#group(topic);
    if (group.generation !== generation) return undefined;
    return offsets.map((offset) => {
      const before = group.deliveries.get(offset) ?? 0;
      group.deliveries.set(offset, before + 1);
      return before;
    });
  }

  /** How often an offset was handed out, without counting. */
  deliveriesOf(topic: string, offset: number): number {
    return this.#group(topic).deliveries.get(offset) ?? 0;
  }

  /** Refused for members of an earlier generation. */
  commit(topic: string, generation: number, offset: number): boolean {
    const group = this.#group(topic);
    if (group.generation !== generation) return false;
    for (let passed = group.committed; passed < offset; passed += 1) group.deliveries.delete(passed);
    group.committed = offset;
    return true;
  }

  leave(member: object): void {
    for (const group of this.#groups.values())
      if (group.owner === member) Object.assign(group, { owner: undefined, generation: 0 });
  }

  silence(member: object): void {
    this.#silentUntil.set(member, this.#clock.monotonic() + MEMBER_TIMEOUT_MS);
  }

  topics(): readonly string[] {
    return [...this.#topics.keys()];
  }

  length(topic: string): number {
    return this.#topics.get(topic)?.length ?? 0;
  }

  lag(topic: string): number {
    return this.length(topic) - this.#group(topic).committed;
  }

  #isFree({ owner }: Group): boolean {
    if (owner === undefined) return true;
    const until = this.#silentUntil.get(owner);
    return until !== undefined && until <= this.#clock.monotonic();
  }

  #group(topic: string): Group {
    const group = this.#groups.get(topic) ?? { owner: undefined, generation: 0, committed: 0, deliveries: new Map() };
    this.#groups.set(topic, group);
    return group;
  }
}
