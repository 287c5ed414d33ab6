// Where the jobs go: a SQLite file of the demo's own, a queue that the user names, or a server that is started for this run.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createQueue, type Queue } from "jobferry";
import { QUEUE } from "./digest-job.ts";
import type { DemoOptions, OwnServer } from "./options.ts";

export type Target = Readonly<{
  queue: Queue;
  /** For people, without user and password. */
  name: string;
  /** Closes the queue and removes what the demo made. */
  end: () => Promise<void>;
}>;

/** The demo cannot start, and the message says what to do. */
export class NoTarget extends Error {}

/** RabbitMQ cannot keep them. */
const optionsFor = (url: string): Readonly<{ keepCompleted: boolean }> => ({ keepCompleted: !url.startsWith("amqp") });

/** undefined when `signal` came first; then nothing is left. */
export async function openTarget(
  { url, server }: Pick<DemoOptions, "url" | "server">,
  folder: string,
  signal: AbortSignal,
): Promise<Target | undefined> {
  if (server !== undefined) return ownServer(server, signal);
  if (url !== undefined) return queueOfUser(url);
  await mkdir(join(folder, "queue"));
  const file = `sqlite:${join(folder, "queue", "jobs.db")}`;
  const queue = await createQueue(file, optionsFor(file));
  return { queue, name: "a new SQLite file", end: () => queue.close() };
}

async function queueOfUser(url: string): Promise<Target> {
  const queue = await createQueue(url, optionsFor(url));
  const end = async (): Promise<void> => {
    await removeJobs(queue);
    await queue.close();
  };
  if (await isUsed(queue)) {
    await queue.close();
    const clear = `jobferry clear ${QUEUE}, jobferry flush --queue ${QUEUE}`;
    throw new NoTarget(`There are jobs in ${QUEUE}: another demo runs, or one was killed. When none runs: ${clear}`);
  }
  await removeJobs(queue); // completed ones that a killed demo kept
  const { protocol, host } = URL.canParse(url) ? new URL(url) : { protocol: "your queue", host: "" };
  return { queue, name: host === "" ? protocol : `${protocol}//${host}`, end };
}

async function ownServer(name: OwnServer, signal: AbortSignal): Promise<Target | undefined> {
  // Only here: nobody else needs them.
  const { startServer } = await import("../scripts/servers/start-server.ts");
  const { closeGuardian } = await import("../scripts/servers/guarded.ts");
  try {
    const starting = startServer(name, { durable: true });
    starting.catch(() => undefined); // told below, unless the signal came first
    const interrupted = new Promise<undefined>((resolve) => {
      if (signal.aborted) resolve(undefined);
      signal.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    const server = await Promise.race([starting, interrupted]);
    if (server === undefined) {
      await closeGuardian();
      return undefined;
    }
    const queue = await createQueue(server.url, optionsFor(server.url));
    const end = async (): Promise<void> => {
      await queue.close();
      await closeGuardian(); // ends the server and removes its folder
    };
    return { queue, name: `${server.kind} ${server.version}, started for this run`, end };
  } catch (error) {
    await closeGuardian();
    throw error;
  }
}

async function isUsed(queue: Queue): Promise<boolean> {
  const { pendingJobs = 0, delayedJobs = 0, reservedJobs = 0, failedJobs = 0 } = await queue.getStats(QUEUE);
  return pendingJobs + delayedJobs + reservedJobs + failedJobs > 0;
}

async function removeJobs(queue: Queue): Promise<void> {
  await queue.clear(QUEUE);
  await queue.flushFailed(QUEUE);
  if (queue.capabilities.records === true) await queue.records.remove({ queue: QUEUE });
}
