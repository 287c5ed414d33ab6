import { DatabaseSync } from "node:sqlite";
import Database from "better-sqlite3";
import { better, defineQueue, defineWorker, JobStatus } from "plainjob";

const silent = { error: console.error, warn: console.warn, info() {}, debug() {} };

/** plainjob with its own pragmas (WAL, synchronous NORMAL), `concurrency` workers, polling every millisecond instead of every second. */
export const plainjob = {
  name: "plainjob",
  async open({ folder }) {
    const queue = defineQueue({ connection: better(new Database(`${folder}/plainjob.db`)), logger: silent });
    const workers = (count, handler, onCompleted) =>
      Array.from({ length: count }, () =>
        defineWorker("job", async (job) => handler(JSON.parse(job.data)), {
          queue,
          logger: silent,
          pollIntervall: 1,
          onCompleted,
        }),
      );
    return {
      push: (payload) => queue.add("job", payload),
      pushBulk: (payloads) => queue.addMany("job", payloads),
      async process({ concurrency, handler, total }) {
        let done = 0;
        const { promise, resolve } = Promise.withResolvers();
        const all = workers(concurrency, handler, () => {
          done += 1;
          if (done === total) resolve();
        });
        const running = all.map((worker) => worker.start());
        await promise;
        const stopped = performance.now();
        await Promise.all(all.map((worker) => worker.stop()));
        await Promise.all(running);
        return stopped;
      },
      async idleWorker(handler) {
        const [worker] = workers(1, handler);
        const running = worker.start();
        return async () => {
          await worker.stop();
          await running;
        };
      },
      left: () => queue.countJobs({ status: JobStatus.Pending }) + queue.countJobs({ status: JobStatus.Processing }),
      close: () => queue.close(),
    };
  },
};

/** The bare statements on node:sqlite at the same settings: what is left to gain. No leases that end, no retries, no events. */
export const rawLoop = {
  name: "raw SQL loop",
  open: ({ folder }) => rawLoop.attach({ folder }),
  async attach({ folder }) {
    const db = new DatabaseSync(`${folder}/raw.db`, { timeout: 5_000 });
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    db.exec(
      "CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, state INTEGER NOT NULL DEFAULT 0, priority INTEGER NOT NULL DEFAULT 0, lease INTEGER, payload BLOB)",
    );
    db.exec("CREATE INDEX IF NOT EXISTS ready ON jobs (priority DESC, id) WHERE state = 0");
    const insert = db.prepare("INSERT INTO jobs (payload) VALUES (?)");
    const claim = db.prepare(
      "UPDATE jobs SET state = 1, lease = ? WHERE id IN (SELECT id FROM jobs WHERE state = 0 ORDER BY priority DESC, id LIMIT ?) RETURNING id, payload",
    );
    const remove = db.prepare("DELETE FROM jobs WHERE id = ?");
    const count = db.prepare("SELECT count(*) AS n FROM jobs");
    const begin = db.prepare("BEGIN IMMEDIATE");
    const commit = db.prepare("COMMIT");
    /** Acknowledge and next claim in one transaction. */
    const next = (held, most) => {
      begin.run();
      for (const { id } of held) remove.run(id);
      const claimed = claim.all(Date.now() + 30_000, most);
      commit.run();
      return claimed;
    };
    const runAll = (held, handler) => Promise.all(held.map(async ({ payload }) => handler(JSON.parse(payload))));
    return {
      connection: { folder },
      push: (payload) => insert.run(JSON.stringify(payload)),
      pushBulk(payloads) {
        begin.run();
        for (const payload of payloads) insert.run(JSON.stringify(payload));
        commit.run();
      },
      async process({ concurrency, handler }) {
        let held = [];
        do {
          held = next(held, concurrency);
          await runAll(held, handler);
        } while (held.length > 0);
      },
      async work({ concurrency, handler, confirmed }) {
        let stopped = false;
        const loop = async () => {
          let held = [];
          while (!stopped || held.length > 0) {
            const done = held.length;
            held = next(held, stopped ? 0 : concurrency);
            if (done > 0) confirmed(done);
            await runAll(held, handler);
            if (held.length === 0) await new Promise((wait) => setTimeout(wait, 1));
          }
        };
        const running = loop();
        return async () => {
          stopped = true;
          await running;
        };
      },
      left: () => count.get().n,
      close: () => db.close(),
    };
  },
};
