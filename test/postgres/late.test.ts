import pg from "pg";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { createJob, type Queue } from "../../src/entry/index.ts";
import { postgresQueue, type PostgresTransaction } from "../../src/entry/postgres.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { makeDatabase } from "./database.ts";

const server = await sharedServer("postgres");

type Query = Readonly<{ text: string; values: unknown[] }>;

/** A pool of connections. Of the statements with a word in their text the next does not arrive, until it is let go. */
class HoldingPool {
  readonly pool: pg.Pool;
  #word: string | undefined;
  #held: Query | undefined;

  constructor(connectionString: string) {
    const holds = (query: Query): boolean => this.#holds(query);
    class HoldingClient extends pg.Client {
      override query(...all: readonly unknown[]): never {
        if (holds(all[0] as Query)) return new Promise(() => undefined) as never;
        return super.query(...(all as Parameters<pg.Client["query"]>)) as never;
      }
    }
    this.pool = new pg.Pool({ connectionString, Client: HoldingClient } as pg.PoolConfig);
    this.pool.on("error", () => undefined);
  }

  holdNext(word: string): void {
    this.#word = word;
  }

  /** It arrives now, by way of another connection. */
  async arrive(by: pg.Client): Promise<void> {
    if (this.#held === undefined) throw new Error("nothing was held");
    await by.query(this.#held);
  }

  #holds({ text, values }: Query): boolean {
    if (this.#word === undefined || !text.includes(this.#word)) return false;
    this.#word = undefined;
    this.#held = { text, values };
    return true;
  }
}

describe.runIf(server !== undefined)("postgres: a call that was given up and arrives after all", async () => {
  if (server === undefined) return;
  const database = await makeDatabase(server, "late");
  afterAll(() => database.drop());
  const closers: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });
  let schemas = 0;

  async function opened(): Promise<
    Readonly<{ queue: Queue<PostgresTransaction>; holdNext: (word: string) => void; arrive: () => Promise<void> }>
  > {
    const holding = new HoldingPool(database.url);
    const { pool } = holding;
    const own = new pg.Client(database.url);
    await own.connect();
    schemas += 1;
    const options = { schema: `late_${schemas}`, logger: silentLogger, callTimeout: "2s", notify: false } as const;
    const queue = postgresQueue({ client: pool, ...options });
    closers.push(async () => {
      await queue.close();
      await own.end();
      await pool.end();
    });
    await queue.open();
    return {
      queue,
      holdNext: (word) => holding.holdNext(word),
      arrive: () => holding.arrive(own),
    };
  }

  test("clear removes no job that was pushed later", async () => {
    const { queue, holdNext, arrive } = await opened();
    await queue.push(createJob("before"));
    holdNext("clear_portion");
    await expect(queue.clear("default")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await queue.clear("default")).toBe(1);
    await queue.push(createJob("after"));
    await arrive();
    expect(await queue.size("default")).toBe(1);
  });

  test("pause does not undo the resume behind it, nor the other way round", async () => {
    const { queue, holdNext, arrive } = await opened();
    for (const _ of [1, 2]) {
      holdNext("paused =");
      await expect(queue.pause("default")).rejects.toMatchObject({ code: "UNAVAILABLE" });
      await queue.resume("default");
      await arrive();
      await queue.push(createJob(1));
      expect((await queue.pop())?.payload).toBe(1);
    }
    holdNext("paused =");
    await expect(queue.resume("default")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await queue.pause("default");
    await arrive();
    await queue.push(createJob(2));
    expect(await queue.pop()).toBeUndefined();
  });

  test("remove takes away no job that was retried, or pushed again under its id, meanwhile", async () => {
    const { queue, holdNext, arrive } = await opened();
    for (const id of ["retried", "again"]) await queue.push(createJob(id, { id }));
    for (const job of await queue.popBatch(2)) await job.fail(new Error("no"));
    holdNext("DELETE FROM");
    const removing = queue.records.remove(["retried", "again"]);
    await expect(removing).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await queue.records.retry(["retried"])).toBe(1);
    expect(await queue.records.remove(["again"])).toBe(1);
    await queue.push(createJob("again", { id: "again" }));
    await arrive();
    expect((await queue.popBatch(2)).map(({ id }) => id).toSorted()).toEqual(["again", "retried"]);
  });
});
