// 50 contenders for one lock on real stores. Some of them are processes that are killed as soon as they hold it.
import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import type { Cluster, Lock } from "../../../src/entry/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { makeDatabase } from "../../postgres/database.ts";
import { sharedServer } from "../../servers/shared-server.ts";
import {
  type Counts,
  CountingProxy,
  postgresRequests,
  quiet,
  redisRequests,
  redisScripts,
  STEADY,
} from "./counting-proxy.ts";
import { countedConsul, countedEtcd, countedZookeeper } from "./counted-place.ts";
import { Fleet, now } from "./fleet.ts";
import { lineIs } from "./line.ts";
import { clusterIn, type Place } from "./place.ts";

const CONTENDERS = 50;
const NODES = 10;
/** More for a long run. */
const KILLS = Number(process.env["LOCK_STORM_KILLS"] ?? 3);
const TTL_MS = 3_000;
/** Each kill costs a session's time, and each victim a process that starts. */
const TIMEOUT_MS = 60_000 + KILLS * 15_000;
/** What else a node asks for now and then, beside the releases. */
const FEW = 0.5;

type Held = Readonly<{ token: bigint; at: number; lock: Lock | undefined }>;

/** Requests, and the time from SIGKILL to the next holder. `perRelease`: on average. */
type Seen = Readonly<{ killed: readonly Readonly<{ requests: number; ms: number }>[]; perRelease: number }>;

/**
 * `mostKilled`, `mostReleased`: requests between the end of one holder and the next one. `aNode`: of each other node, which looks who died: as many as there
 * are nodes, however many wait.
 */
type Bounds = Readonly<{ mostKilled: number; aNode: number; mostReleased: number; takeOverMs: number }>;

type Finished = (end: () => Promise<void>) => void;

class Storm {
  readonly got: Held[] = [];
  readonly #place: Place;
  readonly #fleet: Fleet;
  readonly #proxy: Counts;
  readonly #nodes: Cluster[] = [];
  readonly #waiting: Promise<void>[] = [];
  readonly #victims: string[] = [];

  constructor(place: Place, proxy: Counts, finished: Finished) {
    this.#place = place;
    this.#proxy = proxy;
    this.#fleet = new Fleet(TTL_MS, () => place, finished);
  }

  /** A victim, some others behind it, the next victim, and so on: each is in the line before the next one comes. */
  async gather(): Promise<void> {
    for (let n = 0; n < NODES; n += 1) {
      const options = { nodeId: `node-${n}`, electionTimeout: "40s", logger: silentLogger } as const;
      this.#nodes.push(await clusterIn(this.#place, options).start());
    }
    const others = CONTENDERS - KILLS;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const victim = `victim-${kill}`;
      this.#victims.push(victim);
      await this.#fleet.start(victim, "holds");
      await lineIs(this.#place, "register", kill + 1 + this.#waiting.length);
      const behind = Math.floor((others * (kill + 1)) / KILLS) - Math.floor((others * kill) / KILLS);
      for (let n = 0; n < behind; n += 1) this.#stand(this.#nodes[n % NODES]);
      await lineIs(this.#place, "register", kill + 1 + this.#waiting.length);
      await quiet(this.#proxy);
    }
  }

  #stand(node: Cluster | undefined): void {
    const waiting = node?.lock("register").then((lock) => void this.got.push({ token: lock.token, at: now(), lock }));
    if (waiting !== undefined) this.#waiting.push(waiting);
  }

  /** Of all, in the order in which they were told. */
  get holders(): readonly Held[] {
    const victims = this.#fleet.told
      .filter(({ kind }) => kind === "locked")
      .map(({ token, at }): Held => ({ token: BigInt(token ?? 0), at, lock: undefined }));
    return [...victims, ...this.got].toSorted((a, b) => a.at - b.at);
  }

  /** Ends one holder after the other. */
  async run(): Promise<Seen> {
    const killed: { requests: number; ms: number }[] = [];
    const started = this.#proxy.total(...STEADY);
    for (let round = 1; round <= CONTENDERS; round += 1) {
      const { lock } = await this.#holder(round);
      if (lock !== undefined) {
        await lock.release();
      } else {
        await quiet(this.#proxy);
        const before = this.#proxy.total(...STEADY);
        const at = now();
        this.#fleet.signal(this.#victims[killed.length] ?? "", "SIGKILL");
        const next = await this.#holder(round + 1);
        killed.push({ requests: this.#proxy.total(...STEADY) - before, ms: next.at - at });
      }
      expect(this.got.filter((held) => held.lock?.held).length, "holders at once").toBeLessThanOrEqual(1);
    }
    await quiet(this.#proxy);
    const byKills = killed.reduce((sum, { requests }) => sum + requests, 0);
    const perRelease = (this.#proxy.total(...STEADY) - started - byKills) / (CONTENDERS - KILLS);
    return { killed, perRelease };
  }

  async #holder(nth: number): Promise<Held> {
    await this.#fleet.until(() => this.holders.length >= nth, 30_000, `holder ${nth}`);
    const holder = this.holders[nth - 1];
    if (holder === undefined) throw new Error(`there is no holder ${nth}`);
    return holder;
  }

  async end(): Promise<void> {
    await Promise.all(this.#waiting);
    await Promise.all(this.#nodes.map((node) => node.stop()));
  }

  /** Tokens of victims' writes that a resource which compares tokens took, in its order. */
  get accepted(): readonly number[] {
    const database = new DatabaseSync(this.#fleet.register);
    const rows = database.prepare("SELECT token FROM log ORDER BY n").all() as { token: number }[];
    database.close();
    return rows.map(({ token }) => token);
  }
}

async function storm(
  place: Place,
  proxy: Counts,
  finished: Finished,
  { mostKilled, aNode, mostReleased, takeOverMs }: Bounds,
): Promise<void> {
  const all = new Storm(place, proxy, finished);
  await all.gather();
  const { killed, perRelease } = await all.run();
  const seen = killed.map(({ requests, ms }) => `${requests} (${Math.round(ms)} ms)`).join(", ");
  console.log(
    `${place.kind}, ${CONTENDERS} contenders: requests to the next holder after SIGKILL ${seen}; ${perRelease.toFixed(2)} a release`,
  );
  await all.end();
  const tokens = all.holders.map(({ token }) => token);
  expect(tokens).toHaveLength(CONTENDERS);
  expect(tokens, "tokens rise").toEqual(tokens.toSorted((a, b) => (a < b ? -1 : 1)));
  expect(new Set(tokens).size).toBe(CONTENDERS);
  expect(all.accepted.length).toBeGreaterThan(0);
  expect(all.accepted).toEqual(all.accepted.toSorted((a, b) => a - b));
  expect(killed).toHaveLength(KILLS);
  for (const [kill, { requests }] of killed.entries())
    expect(requests).toBeLessThanOrEqual(mostKilled + aNode * (NODES + KILLS - kill - 1));
  expect(perRelease).toBeGreaterThan(1);
  expect(perRelease).toBeLessThanOrEqual(mostReleased + FEW);
  expect(Math.min(...killed.map(({ ms }) => ms))).toBeGreaterThan(TTL_MS / 2);
  expect(Math.max(...killed.map(({ ms }) => ms))).toBeLessThan(takeOverMs);
}

const postgres = await sharedServer("postgres");
const redis = await sharedServer("redis");
const etcd = await sharedServer("etcd-cluster");
const consul = await sharedServer("consul-cluster");
const zookeeper = await sharedServer("zookeeper-cluster");

// The nodes learn from a list of the members and one of the line that somebody died: each node once, however many wait on it. Not beside those below: ten nodes are a load.
describe("50 contenders on a database, whose holder is killed again and again", { timeout: TIMEOUT_MS }, () => {
  // Some see at once that the session ran out, and end it.
  test
    .runIf(postgres)
    .concurrent("postgres: one holder by token, and only the next one wakes up", async ({ onTestFinished }) => {
      if (postgres === undefined) return;
      const database = await makeDatabase(postgres, "storm");
      onTestFinished(() => database.drop());
      await using proxy = await CountingProxy.start(postgres, postgresRequests);
      const place = { kind: "postgres", url: database.urlBy(proxy.port), schema: "storm" } as const;
      await storm(place, proxy, onTestFinished, { mostKilled: 4, aNode: 3, mostReleased: 3, takeOverMs: 10_000 });
    });

  test
    .runIf(redis)
    .concurrent("redis: one holder by token, and only the next one wakes up", async ({ onTestFinished }) => {
      if (redis === undefined) return;
      await using proxy = await CountingProxy.start(redis, redisRequests(redisScripts));
      const place = { kind: "redis", url: `redis://127.0.0.1:${proxy.port}`, prefix: `test:${randomUUID()}` } as const;
      await storm(place, proxy, onTestFinished, { mostKilled: 4, aNode: 2, mostReleased: 3, takeOverMs: 10_000 });
    });
});

describe.concurrent(
  "50 contenders on three servers, whose holder is killed again and again",
  { timeout: TIMEOUT_MS },
  () => {
    test.runIf(etcd)("etcd: one holder by token, and only the next one wakes up", async ({ onTestFinished }) => {
      if (etcd === undefined) return;
      await using store = await countedEtcd(etcd);
      const bounds = { mostKilled: 2, aNode: 0, mostReleased: 3, takeOverMs: 10_000 };
      await storm(store.place, store.counts, onTestFinished, bounds);
    });

    test.runIf(consul)("consul: one holder by token, and only the next one wakes up", async ({ onTestFinished }) => {
      if (consul === undefined) return;
      await using store = await countedConsul(consul);
      const bounds = { mostKilled: 2, aNode: 0, mostReleased: 3, takeOverMs: 15_000 };
      await storm(store.place, store.counts, onTestFinished, bounds);
    });

    test.runIf(zookeeper)(
      "zookeeper: one holder by token, and only the next one wakes up",
      async ({ onTestFinished }) => {
        if (zookeeper === undefined) return;
        await using store = await countedZookeeper(zookeeper);
        const bounds = { mostKilled: 4, aNode: 2, mostReleased: 5, takeOverMs: 10_000 };
        await storm(store.place, store.counts, onTestFinished, bounds);
      },
    );
  },
);
