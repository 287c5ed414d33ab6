// Nodes that lock, lead, lose their line and die in any order. On one clock self-fencing is exact: never two who believe in the same thing.
import fc from "fast-check";
import { expect, test } from "vitest";
import { Cluster, type Election, type Lock } from "../../src/cluster/index.ts";
import { MemoryCoordination, memoryCoordinationStore } from "../../src/drivers/memory/coordination-store.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { virtualClock } from "../../src/testing/virtual-clock.ts";
import { FaultyClient } from "../conformance/coordination/faults.ts";

const TTL = 1_000;
const NODES = 3;

type Operation =
  | Readonly<{ kind: "lock" | "release" | "cut" | "heal" | "loseAnswer" | "resign" | "elect"; node: number }>
  | Readonly<{ kind: "pass"; ms: number }>;

const node = fc.nat(NODES - 1);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: TTL }) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom("lock", "lock", "release", "cut", "heal", "loseAnswer", "resign", "elect"),
      node,
    }),
  },
);

type Player = {
  readonly cluster: Cluster;
  readonly line: FaultyClient;
  readonly locks: Lock[];
  election: Election | undefined;
  heal: (() => void) | undefined;
};

test("one holder and one leader at a time, tokens that rise, and stale guards that fail", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 60 }), async (operations) => {
      const clock = virtualClock();
      const memory = new MemoryCoordination();
      const register = memoryCoordinationStore(memory);
      await register.open({ clock });
      const tokens: bigint[] = [];
      const terms: bigint[] = [];
      const background: Promise<unknown>[] = [];
      const players = Array.from({ length: NODES }, (_, n): Player => {
        const line = new FaultyClient(memoryCoordinationStore(memory));
        const options = { electionTimeout: TTL, heartbeatInterval: 200, clock, logger: silentLogger };
        const cluster = new Cluster(line, { nodeId: `node-${n}`, ...options });
        cluster.on("error", () => undefined);
        return { cluster, line, locks: [], election: undefined, heal: undefined };
      });
      for (const { cluster } of players) await cluster.start();

      const take = async ({ cluster, locks }: Player): Promise<void> => {
        const lock = await cluster.lock("thing", { wait: TTL * 4 }).catch(() => undefined);
        if (lock === undefined) return;
        expect(
          tokens.every((earlier) => lock.token > earlier),
          "a token higher than every one before",
        ).toBe(true);
        tokens.push(lock.token);
        locks.push(lock);
      };
      const stand = async (player: Player): Promise<void> => {
        player.election = await player.cluster.elect();
        player.election.on("elected", ({ term }) => {
          expect(
            terms.every((earlier) => term > earlier),
            "a term higher than every one before",
          ).toBe(true);
          terms.push(term);
        });
      };
      const play = (player: Player, kind: Exclude<Operation["kind"], "pass">): void => {
        if (kind === "lock") background.push(take(player));
        if (kind === "release") background.push(...player.locks.splice(0).map((lock) => lock.release()));
        if (kind === "cut") player.heal ??= player.line.cut();
        if (kind === "loseAnswer") player.line.loseNextAnswer();
        if (kind === "elect" && player.election === undefined) background.push(stand(player).catch(() => undefined));
        if (kind === "resign") {
          player.election = undefined;
          background.push(player.cluster.resign().catch(() => undefined));
        }
        if (kind !== "heal") return;
        player.heal?.();
        player.heal = undefined;
      };
      const check = async (): Promise<void> => {
        const locks = players.flatMap((player) => player.locks);
        const held = locks.filter((lock) => lock.held);
        expect(held.length, "holders").toBeLessThanOrEqual(1);
        expect(players.filter(({ election }) => election?.isLeader).length, "leaders").toBeLessThanOrEqual(1);
        const rising = [...new Set(terms)].toSorted((a, b) => (a < b ? -1 : 1));
        expect(terms, "a term higher than every one before").toEqual(rising);
        const highest = tokens.at(-1) ?? 0n;
        for (const lock of locks) {
          const write = [{ put: "app/data/x", value: new Uint8Array() }];
          const accepted = (await register.transact([lock.guard], write)).ok;
          if (lock.held) expect(accepted, "who holds it may write").toBe(true);
          if (lock.token < highest) expect(accepted, "a guard of before is refused").toBe(false);
        }
      };

      for (const one of operations) {
        if (one.kind === "pass") await clock.advance(one.ms);
        else play(players[one.node]!, one.kind);
        await clock.advance(0);
        await check();
      }
      for (const player of players) player.heal?.();
      for (const { locks } of players) background.push(...locks.splice(0).map((lock) => lock.release()));
      let settled = false;
      const all = Promise.all(background).then(() => (settled = true));
      // Everything comes to its end when the lines are whole again.
      for (let round = 0; !settled && round < 100; round += 1) {
        await clock.advance(TTL / 2);
        for (const { locks } of players) background.push(...locks.splice(0).map((lock) => lock.release()));
      }
      expect(settled, "every call settled").toBe(true);
      await all;
      await clock.advance(TTL * 2);
      expect(players.map(({ cluster }) => cluster.isJoined)).toEqual(players.map(() => true));
      for (const { cluster } of players) await cluster.stop();
      await register.close();
      expect(clock.armed, "timers left").toBe(0);
    }),
    { numRuns: 150 },
  );
});
