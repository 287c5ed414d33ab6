// npm run demo [-- PATH]: a job for every file of a folder, two processes that work on them, one of them killed half-way, and a check of
// every result against a plain walk through the same folder. --url and --server choose where the jobs go.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isJobferryError, type Queue } from "jobferry";
import { chooseFiles } from "./bounds.ts";
import { readOptions, type DemoOptions } from "./options.ts";
import { completedBefore, outcomesOf } from "./outcomes.ts";
import { processFiles } from "./processing.ts";
import { pushFiles } from "./pushing.ts";
import { printReport } from "./report.ts";
import { NoTarget, openTarget } from "./target.ts";
import { makeUnreadable } from "./unreadable.ts";
import { verify } from "./verify.ts";
import { walkFiles } from "./walk.ts";

const INTERRUPTED = 130;
/** How much later than its children this process may see a signal. */
const SIGNAL_MS = 50;

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort());

const options = readOptions(process.argv);
const scratch = await mkdtemp(join(tmpdir(), "jobferry-demo-"));
try {
  process.exitCode = await onTarget(options, scratch, interrupted.signal);
} catch (error) {
  const message = toldOf(error);
  if (message === undefined) throw error;
  console.error(`error: ${message}`);
  process.exitCode = 2;
} finally {
  await rm(scratch, { recursive: true, force: true });
}

/** Resolves to the exit code: 0 when every file has the one right outcome, 1 when not, 130 when interrupted. */
async function onTarget(chosen: DemoOptions, folder: string, signal: AbortSignal): Promise<number> {
  const target = await openTarget(chosen, folder, signal);
  if (target === undefined) return INTERRUPTED;
  try {
    const { durability } = target.queue.capabilities;
    console.log(`The queue is ${target.name}; a stored job survives: ${durability}.`);
    return await demo(target.queue, chosen, folder, signal);
  } catch (error) {
    // Ctrl-C reaches the children, too, and sometimes first: that they do not start any more is no news.
    if (!signal.aborted) await sleep(SIGNAL_MS);
    if (signal.aborted) return INTERRUPTED;
    throw error;
  } finally {
    await target.end();
  }
}

async function demo(
  queue: Queue,
  { path, maxFiles, maxMegabytes, handler }: DemoOptions,
  folder: string,
  signal: AbortSignal,
): Promise<number> {
  const found = await walkFiles(path);
  const { chosen, leftOut } = chooseFiles(found.files, { maxFiles, maxMegabytes });
  console.log(`${found.files.length} files in ${path}; ${found.others} links and other entries are no files.`);
  if (leftOut > 0) console.log(`${leftOut} of them are beyond --max-files or --max-megabytes and left out.`);

  const unreadable = await makeUnreadable(folder);
  const before = await completedBefore(queue);
  const files = [...chosen, ...unreadable.files];
  const pushed = await pushFiles(queue, files);
  console.log(`${files.length} jobs pushed in ${seconds(pushed.ms)}: ${pushed.delayed} of them delayed by 2 s.`);
  await unreadable.vanish();
  console.log(`${unreadable.files.length} of them are for files that cannot be read, and fail after their retries.`);

  const work = await processFiles(queue, files.length, handler, signal);
  if (signal.aborted) return INTERRUPTED;
  const outcomes = await outcomesOf(queue, files.length, before, work);
  const verified = await verify({ root: path, pushed: files, leftOut, outcomes, work });
  printReport({ files: files.length, work, outcomes, verified });
  return verified.differences.length === 0 ? 0 : 1;
}

/** What the user can do something about. */
function toldOf(error: unknown): string | undefined {
  if (isJobferryError(error)) return `${error.message} (${error.code})`;
  const isTold = error instanceof Error && (error instanceof NoTarget || error.name === "ServerUnavailable");
  return isTold ? error.message : undefined;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
