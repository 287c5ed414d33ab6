/** Worker processes are killed every second and the server in between: every push that resolved runs, whatever else happens. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createJob, type QueueStats } from "../../src/entry/index.ts";
import { rabbitmqQueue } from "../../src/entry/rabbitmq.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { BOTH, untilWorks } from "./brokers.ts";
import { freshPrefix } from "./target.ts";

const SCRIPT = fileURLToPath(new URL("killed-worker.ts", import.meta.url));
const SECONDS = 15;
/** As long as it takes on a busy machine, up to three times the seconds. */
const LEAST = 300;
const WORKERS = 3;

for (const name of BOTH) {
  describe.runIf(await isServerAvailable(name))(`${name}, workers and server killed`, () => {
    it("loses nothing, and runs twice only what a kill explains", async () => {
      await using server = await startServer(name, { plugins: [], deadLetterRetry: 5_000 });
      const folder = mkdtempSync(join(tmpdir(), "jobferry-rabbitmq-"));
      const prefix = freshPrefix();
      const queue = await rabbitmqQueue(server.url, {
        ...{ prefix, settle: "1500ms", logger: silentLogger, answerTimeout: "3s", pushTimeout: "4s" },
        defaults: { maxLosses: 50 },
      }).open();
      // The first push to a queue and its first delay wait until it has settled: not in the time that is measured.
      const first = ["mails", "work"].flatMap((to) => [
        createJob("first", { queue: to }),
        createJob("first", { queue: to, delay: 50 }),
      ]);
      await Promise.all(first.map((job) => untilWorks(() => queue.push(job), 30_000)));
      const files: string[] = [];
      const start = (): ChildProcess => {
        const file = join(folder, `worker-${files.length}`);
        files.push(file);
        return fork(SCRIPT, [server.url, prefix, file], { stdio: "ignore" });
      };
      const workers = Array.from({ length: WORKERS }, start);
      const pushed = new Set(first.map(({ id }) => id));
      let kills = 0;
      const begun = performance.now();
      const isOver = (): boolean => {
        const seconds = (performance.now() - begun) / 1_000;
        return seconds > SECONDS && (pushed.size > LEAST || seconds > 3 * SECONDS);
      };
      const pushAll = async (): Promise<void> => {
        for (let i = 0; !isOver(); i += 4) {
          const jobs = [i, i + 1, i + 2, i + 3].map((n) =>
            createJob(n, {
              ...{ queue: n % 3 === 0 ? "mails" : "work", tags: n % 7 === 0 ? { throws: "once" } : {} },
              ...(n % 5 === 0 ? { delay: 300 } : {}),
            }),
          );
          const pushes = jobs.map((job) =>
            queue.push(job).then(
              () => pushed.add(job.id),
              () => undefined,
            ),
          );
          await Promise.all(pushes);
          await pause(20);
        }
      };
      const killAll = async (): Promise<void> => {
        while (!isOver()) {
          await pause(1_000);
          kills += 1;
          workers[kills % WORKERS]?.kill("SIGKILL");
          workers[kills % WORKERS] = start();
        }
      };
      const killServer = async (): Promise<void> => {
        await pause(7_000);
        await server.kill();
        await server.restart();
      };
      await Promise.all([pushAll(), killAll(), killServer()]);
      await allRan(pushed, files);
      await drained(async () => queue.getStats());
      for (const worker of workers) worker.kill("SIGTERM");
      await Promise.all(workers.map(ended));
      expect(workers.map(({ exitCode }) => exitCode)).toEqual(workers.map(() => 0));
      const twice = [...timesRun(files).values()].filter((times) => times > 1).length;
      console.log(
        `${name} ${server.version}: ${pushed.size} pushed, ${kills} workers and the server killed, ${twice} ran twice`,
      );
      expect(pushed.size).toBeGreaterThan(LEAST);
      expect((await queue.getStats()).failedJobs).toBe(0);
      // What was in hand at a kill, what was acknowledged shortly before that of the server, and copies cut in two.
      expect(twice).toBeLessThanOrEqual(kills * 10 + 160);
      await queue.close();
      rmSync(folder, { recursive: true });
    }, 300_000);
  });
}

/** How often each job ran, as the workers have written it down. */
function timesRun(files: readonly string[]): ReadonlyMap<string, number> {
  const lines = files.flatMap((file) => (existsSync(file) ? readFileSync(file, "utf8").split("\n") : []));
  const ran = new Map<string, number>();
  for (const line of lines) {
    const [id = "", word] = line.split(" ");
    if (word === "ran") ran.set(id, (ran.get(id) ?? 0) + 1);
  }
  return ran;
}

/** What a killed server could not lead on to the next step of its delay is in no count until the step is made again: up to twice 5 s after its return. */
async function allRan(pushed: ReadonlySet<string>, files: readonly string[]): Promise<void> {
  await untilWorks(async () => {
    const ran = timesRun(files);
    const lost = [...pushed].filter((id) => !ran.has(id));
    if (lost.length > 0) throw new Error(`${lost.length} of ${pushed.size} never ran: ${lost.join(", ")}`);
  }, 60_000);
}

/** An exit is told once: nobody is told of one that was before. */
async function ended(worker: ChildProcess): Promise<void> {
  if (worker.exitCode === null && worker.signalCode === null) await once(worker, "exit");
}

/** Nothing waits for two seconds, so copies have run too. What is held is not counted by AMQP, and none of these jobs takes that long. */
async function drained(stats: () => Promise<Pick<QueueStats, "pendingJobs" | "delayedJobs">>): Promise<void> {
  let empty = 0;
  await untilWorks(async () => {
    const { pendingJobs, delayedJobs } = await stats();
    empty = pendingJobs === 0 && delayedJobs === 0 ? empty + 1 : 0;
    await pause(100);
    if (empty < 20) throw new Error(`${pendingJobs} pending and ${delayedJobs} delayed jobs are left`);
  }, 40_000);
}
