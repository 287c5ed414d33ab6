import assert from "node:assert/strict";
import type {
  Clock,
  Compare,
  CoordinationCapabilities,
  CoordinationEntry,
  CoordinationSession,
  CoordinationStore,
  CoordinationWrite,
  ErrorCode,
  Revision,
  Version,
} from "../../../contract/index.ts";
import { sleep, systemClock } from "../../../runtime/index.ts";
import type { CoordinationTarget } from "./target.ts";
import { Watcher } from "./watcher.ts";

const HUNG_AFTER_MS = 10_000;
/** How long, in real time, a busy machine may keep a process from what has come. A store that looks less often is told. */
const STALL_MS = 3_000;

/** Every key of the suite lies in it, but for the cases that are about areas. */
export const AREA = "suite/keys";

export const keyOf = (name: string): string => `${AREA}/${name}`;
export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (entry: CoordinationEntry | undefined): string | undefined =>
  entry === undefined ? undefined : new TextDecoder().decode(entry.value);

export const named = (values: Readonly<Record<string, string>>): readonly (readonly [string, string])[] =>
  Object.entries(values).map(([name, value]) => [keyOf(name), value] as const);

/** Keys and values in an order, to be compared. */
export const stateText = (state: Iterable<readonly [string, string]>): string =>
  JSON.stringify([...state].toSorted(([a], [b]) => (a < b ? -1 : 1)));

export type PutOptions = Readonly<{ client?: CoordinationStore; session?: CoordinationSession }>;

/** Several clients of one empty store, for one case, and their time, virtual or real. */
export class CoordinationStage {
  readonly target: CoordinationTarget;
  readonly store: CoordinationStore;
  readonly capabilities: CoordinationCapabilities;
  readonly clock: Clock;
  readonly #open = new Set<CoordinationStore>();
  readonly #watchers: Watcher[] = [];
  readonly #armedBefore: number;

  private constructor(target: CoordinationTarget, store: CoordinationStore) {
    this.target = target;
    this.store = store;
    this.capabilities = store.capabilities;
    this.clock = target.clock ?? systemClock;
    this.#armedBefore = target.clock?.armed ?? 0;
  }

  static async open(target: CoordinationTarget): Promise<CoordinationStage> {
    const stage = new CoordinationStage(target, await target.open());
    await stage.#start(stage.store);
    return stage;
  }

  /** Closes what is open. On a virtual clock also proves that no timer was left behind. */
  async leave(): Promise<void> {
    try {
      for (const watcher of this.#watchers) await this.settles(watcher.stop(), 100, "the end of a watch");
      for (const client of this.#open) await this.settles(client.close(), 0, "close");
    } finally {
      await this.target.cleanup?.();
    }
    if (this.target.clock === undefined) return;
    const left = Math.max(0, this.target.clock.armed - this.#armedBefore);
    assert.equal(left, 0, "timers that are still armed on the clock after close");
  }

  async #start(client: CoordinationStore): Promise<void> {
    await client.open({ clock: this.clock });
    this.#open.add(client);
  }

  /** Another client of the same store, as another process has it. */
  async another(): Promise<CoordinationStore> {
    const client = await this.target.reopen(this.store);
    await this.#start(client);
    return client;
  }

  async crash(client: CoordinationStore): Promise<void> {
    this.#open.delete(client);
    await this.target.crash?.(client);
  }

  // Time

  get isVirtual(): boolean {
    return this.target.clock !== undefined;
  }

  async pass(milliseconds: number): Promise<void> {
    if (this.target.clock === undefined) await sleep(systemClock, milliseconds);
    else await this.target.clock.advance(milliseconds);
  }

  /** The shortest time to live that the suite can watch pass. */
  get ttlMs(): number {
    const { minTtlMs } = this.capabilities.session;
    return Math.max(minTtlMs, this.isVirtual ? 5_000 : 1_000);
  }

  /** For sessions that must not end by themselves, however busy the machine is. */
  get longTtlMs(): number {
    return Math.min(this.capabilities.session.maxTtlMs, this.ttlMs * 30);
  }

  /** How long a session may live on without a renewal. */
  get latestEndMs(): number {
    const { endFactor, endLagMs } = this.capabilities.session;
    return this.ttlMs * endFactor + endLagMs;
  }

  /** How long a watcher may be behind. */
  get lagMs(): number {
    return this.capabilities.watch.lagMs + (this.isVirtual ? 10 : 250);
  }

  /** How long something may take that has so long: in real time a busy machine may take longer. */
  #latestMs(withinMs: number): number {
    return withinMs + (this.isVirtual ? 0 : STALL_MS);
  }

  /** Lets time pass until the condition holds; tells whether it did `withinMs`. In real time only who is about lateness asks for that. */
  async until(holds: () => boolean | Promise<boolean>, withinMs: number, what: string): Promise<boolean> {
    const step = Math.max(1, Math.ceil(withinMs / 50));
    const start = this.clock.monotonic();
    const latestMs = this.#latestMs(withinMs);
    await this.pass(0);
    for (;;) {
      const isThere = await holds();
      const passed = this.clock.monotonic() - start;
      if (isThere) return passed < withinMs + step;
      assert.ok(passed < latestMs, `${what}, within ${Math.round(latestMs)} ms`);
      await this.pass(step);
    }
  }

  /** The promise's result, while time passes as far as needed. */
  async settles<T>(promise: Promise<T>, withinMs: number, what: string): Promise<T> {
    let settled = false;
    const watched = promise.then(
      () => void (settled = true),
      () => void (settled = true),
    );
    if (this.target.clock !== undefined) {
      await this.target.clock.advance(0);
      for (let step = 0; !settled && step < 20 && withinMs > 0; step += 1)
        await this.target.clock.advance(Math.ceil(withinMs / 20));
    }
    if (!settled) {
      const limit = new AbortController();
      const patience = (this.target.hungAfterMs ?? HUNG_AFTER_MS) + (this.isVirtual ? 0 : withinMs);
      await Promise.race([watched, sleep(systemClock, patience, limit.signal)]);
      limit.abort();
    }
    assert.ok(settled, `${what} did not settle`);
    return promise;
  }

  // Calls

  async put(name: string, value: string, { client = this.store, session }: PutOptions = {}): Promise<Version> {
    const [version] = await this.write([{ put: keyOf(name), value: bytesOf(value), ...ownedBy(session) }], client);
    return version ?? "";
  }

  async remove(name: string, client: CoordinationStore = this.store): Promise<void> {
    await this.write([{ delete: keyOf(name) }], client);
  }

  /** Without conditions, and wants it done. */
  async write(
    writes: readonly CoordinationWrite[],
    client: CoordinationStore = this.store,
  ): Promise<readonly Version[]> {
    const result = await this.settles(client.transact([], writes), 0, "transact");
    assert.ok(result.ok, "a transaction without compares takes effect");
    assert.equal(result.versions.length, writes.length, "transact gives one version per write");
    for (const version of result.versions)
      assert.match(version, /^[1-9]\d*$/, "a version is a positive integer as text");
    return result.versions;
  }

  async tries(
    compares: readonly Compare[],
    writes: readonly CoordinationWrite[],
    client: CoordinationStore = this.store,
  ): Promise<boolean> {
    return (await this.settles(client.transact(compares, writes), 0, "transact")).ok;
  }

  async get(name: string, client: CoordinationStore = this.store): Promise<CoordinationEntry | undefined> {
    return this.settles(client.get(keyOf(name)), 0, "get");
  }

  async valueOf(name: string, client: CoordinationStore = this.store): Promise<string | undefined> {
    return textOf(await this.get(name, client));
  }

  async list(
    prefix: string = `${AREA}/`,
    client: CoordinationStore = this.store,
  ): Promise<readonly CoordinationEntry[]> {
    return (await this.settles(client.list(prefix), 0, "list")).entries;
  }

  async openSession(
    client: CoordinationStore = this.store,
    ttlMs: number = this.longTtlMs,
  ): Promise<CoordinationSession> {
    return this.settles(client.openSession(ttlMs), 0, "openSession");
  }

  watch(client: CoordinationStore = this.store, prefix: string = `${AREA}/`, from?: Revision): Watcher {
    const watcher = new Watcher(client, this.clock, prefix, from);
    this.#watchers.push(watcher);
    return watcher;
  }

  /** Wants the watcher to see these values by name, and then nothing else; tells whether it did `withinMs`, as `until`. */
  async sees(
    watcher: Watcher,
    wanted: Readonly<Record<string, string>>,
    withinMs: number = this.lagMs,
  ): Promise<boolean> {
    const text = stateText(named(wanted));
    const seen = (): string => stateText(watcher.keys.map((key) => [key, watcher.state.get(key) ?? ""]));
    try {
      return await this.until(() => seen() === text, withinMs, "the last state");
    } catch {
      assert.equal(seen(), text, `a watcher sees the last state within ${Math.round(this.#latestMs(withinMs))} ms`);
      return false;
    }
  }

  /** What it throws, which must have the code. */
  async refuses(call: () => Promise<unknown>, code: ErrorCode, what: string): Promise<void> {
    const error = await this.settles(
      call().then(
        () => undefined,
        (thrown: unknown) => ({ thrown }),
      ),
      0,
      what,
    );
    assert.ok(error !== undefined, `${what} is refused`);
    const found = this.store.classify(error.thrown);
    assert.equal(found.code, code, `${what} is refused with ${code}: ${String(error.thrown)}`);
  }
}

function ownedBy(session: CoordinationSession | undefined): Readonly<{ session?: string }> {
  return session === undefined ? {} : { session: session.id };
}
