/** RabbitMQ with failed jobs in a SQLite file, where they can be listed. Each run has names of its own on its server. */
import type { ServerName } from "../../scripts/servers/registry.ts";
import type { RunningServer } from "../../scripts/servers/server.ts";
import type { Capabilities, Driver } from "../../src/contract/index.ts";
import { rabbitmqDriver } from "../../src/drivers/rabbitmq/index.ts";
import { sqliteDriver } from "../../src/drivers/sqlite/index.ts";
import { createJob, Queue } from "../../src/entry/index.ts";
import { type Duration, silentLogger, systemClock } from "../../src/runtime/index.ts";
import { QUEUES } from "./job-plan.ts";
import { serverStore } from "./server-store.ts";
import type { Store } from "./store.ts";

/**
 * A step of a delay that a killed server could not make when it came back is made by this time after: up to twice of it. With the server's default of 3 minutes a job would
 * be looked for too early.
 */
export const SERVER_OPTIONS = { plugins: [], deadLetterRetry: 5_000 } as const;

let made = 0;

/** `amqp://HOST:PORT?records=PATH&prefix=NAME` */
export function rabbitmqFor(url: string, heartbeat: Duration = "10s"): Driver {
  const server = new URL(url);
  const driver = sqliteDriver({ path: server.searchParams.get("records") ?? "" });
  const prefix = server.searchParams.get("prefix") ?? "jobferry";
  server.search = "";
  const forever = { count: Infinity, ageMs: Infinity };
  let opening: Promise<Capabilities> | undefined;
  const open = (): Promise<Capabilities> =>
    (opening ??= driver.open({
      ...{ clock: systemClock, logger: silentLogger, retention: { completed: forever, failed: forever } },
    }));
  const options = { url: server.href, prefix, connectTimeout: "30s", heartbeat } as const;
  return rabbitmqDriver(options, { driver: driver as Driver, open });
}

export async function rabbitmqStore(server: ServerName, folder: string, running?: RunningServer): Promise<Store> {
  made += 1;
  const suffix = `?records=${folder}/records.db&prefix=chaos-${made}`;
  const store = await serverStore({ server, options: SERVER_OPTIONS, downMs: 300, proxied: true, suffix, running });
  return { ...store, prepare: () => settle(store.directUrl) };
}

/** The first push to a queue, and its first delay, wait until the queue has settled: longer than a short scenario can wait. */
async function settle(url: string): Promise<void> {
  const queue = await new Queue(rabbitmqFor(url), { logger: silentLogger, pushTimeout: "60s" }).open();
  try {
    const jobs = QUEUES.flatMap((name) => [
      createJob("settles", { queue: name }),
      createJob("settles", { queue: name, delay: 50 }),
    ]);
    await Promise.all(jobs.map((job) => queue.push(job)));
    for (const { queue: name } of jobs) {
      const job = await queue.pop({ queue: name, wait: "20s" });
      if (job === undefined) throw new Error(`The first jobs of "${name}" did not come.`);
      await job.complete();
    }
  } finally {
    await queue.close();
  }
}
