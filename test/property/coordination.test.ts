// Random transactions and sessions: the SQLite store answers as the store in memory does, and ends in the same state.
import fc from "fast-check";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Compare, CoordinationSession, CoordinationStore, CoordinationWrite } from "../../src/contract/index.ts";
import { MemoryCoordination, memoryCoordinationStore } from "../../src/drivers/memory/coordination-store.ts";
import { sqliteCoordinationStore } from "../../src/drivers/sqlite/index.ts";
import { virtualClock } from "../../src/testing/virtual-clock.ts";

const TTL = 1_000;
const KEYS = ["a/k/1", "a/k/2", "a/k/3", "b/k/1"] as const;

type Plan =
  | Readonly<{
      kind: "transact";
      compares: readonly Readonly<{ key: number; how: "fresh" | "stale" | "absent" | "session" }>[];
      writes: readonly Readonly<{ key: number; how: "put" | "own" | "delete"; value: number }>[];
      session: number;
    }>
  | Readonly<{ kind: "open" | "renew" | "end"; session: number }>
  | Readonly<{ kind: "pass"; ms: number }>;

const key = fc.nat(KEYS.length - 1);
const session = fc.nat(2);
const plan: fc.Arbitrary<Plan> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("transact" as const),
      compares: fc.array(fc.record({ key, how: fc.constantFrom("fresh", "stale", "absent", "session") }), {
        maxLength: 2,
      }),
      writes: fc.uniqueArray(fc.record({ key, how: fc.constantFrom("put", "own", "delete"), value: fc.nat(255) }), {
        minLength: 1,
        maxLength: 3,
        selector: (write) => write.key,
      }),
      session,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("open", "renew", "end"), session }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: TTL }) }) },
);

/** Plays a plan on one store. Versions and ids are its own; what it answers must not depend on them. */
class Player {
  readonly #store: CoordinationStore;
  readonly #sessions = new Map<number, CoordinationSession>();
  readonly #stale = new Map<string, string>();

  constructor(store: CoordinationStore) {
    this.#store = store;
  }

  async play(one: Exclude<Plan, Readonly<{ kind: "pass" }>>): Promise<unknown> {
    const open = this.#sessions.get(one.session);
    if (one.kind === "transact") {
      const compares = (await Promise.all(one.compares.map((compare) => this.#compare(compare, open)))).flat();
      const writes = one.writes.map((write) => writeOf(write, open));
      return (await this.#store.transact(compares, writes)).ok;
    }
    if (one.kind === "open") {
      if (open !== undefined) return "open already";
      this.#sessions.set(one.session, await this.#store.openSession(TTL));
      return "opened";
    }
    if (one.kind === "renew") return open?.renew();
    this.#sessions.delete(one.session);
    return open?.close();
  }

  async state(): Promise<unknown> {
    const areas = await Promise.all(["a/k/", "b/k/"].map((prefix) => this.#store.list(prefix)));
    return areas.flatMap(({ entries }) => entries.map((entry) => [entry.key, [...entry.value]]));
  }

  async #compare(
    { key: index, how }: Readonly<{ key: number; how: string }>,
    open: CoordinationSession | undefined,
  ): Promise<readonly Compare[]> {
    const name = KEYS[index] ?? KEYS[0];
    if (how === "session") return open === undefined ? [] : [{ session: open.id }];
    if (how === "absent") return [{ key: name, absent: true }];
    const found = (await this.#store.get(name))?.version;
    const before = this.#stale.get(name);
    if (found !== undefined) this.#stale.set(name, found);
    const version = how === "fresh" ? found : before;
    return version === undefined ? [] : [{ key: name, version }];
  }
}

function writeOf(
  { key: index, how, value }: Readonly<{ key: number; how: string; value: number }>,
  open: CoordinationSession | undefined,
): CoordinationWrite {
  const name = KEYS[index] ?? KEYS[0];
  if (how === "delete") return { delete: name };
  const put = { put: name, value: new Uint8Array([value]) };
  return how === "own" && open !== undefined ? { ...put, session: open.id } : put;
}

test("SQLite and memory give the same answers and the same states", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { maxLength: 50 }), async (plans) => {
      const folder = mkdtempSync(join(tmpdir(), "jobferry-property-"));
      const clock = virtualClock();
      const stores = [
        memoryCoordinationStore(new MemoryCoordination()),
        sqliteCoordinationStore({ path: join(folder, "jobs.db") }),
      ];
      try {
        for (const store of stores) await store.open({ clock });
        const players = stores.map((store) => new Player(store));
        for (const one of plans) {
          if (one.kind === "pass") {
            // No look at the state here: the next write has to find by itself what has ended.
            await clock.advance(one.ms);
            continue;
          }
          const [memory, sqlite] = [await players[0]!.play(one), await players[1]!.play(one)];
          expect(sqlite, JSON.stringify(one)).toEqual(memory);
          expect(await players[1]!.state(), JSON.stringify(one)).toEqual(await players[0]!.state());
        }
      } finally {
        for (const store of stores) await store.close();
        rmSync(folder, { recursive: true, force: true });
      }
    }),
    { numRuns: 100 },
  );
});
