import { setTimeout as sleep } from "node:timers/promises";
import type { Queue } from "jobferry";
import { digestJob } from "./digest-job.ts";
import { Elections } from "./elections.ts";
import { readEnvironment } from "./environment.ts";
import { type Fleet, type FleetEvents, inProcess, processes } from "./fleet.ts";
import { readOptions, type ShowOptions } from "./options.ts";
import { prove } from "./proof.ts";
import { type Scene, setScene } from "./scene.ts";
import { type Screen, showNodes } from "./screen.ts";
import { openQueue } from "./store.ts";

/** The part of the jobs after which the leader dies. */
const END_LEADER_AT = 0.3;
const STALLED_AFTER_MS = 60_000;
const BATCH = 500;
/** For what nodes that live tell five times a second. */
const LAST_ROWS_MS = 5_000;

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort());

process.exitCode = await main(readOptions(process.argv)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  return 1;
});

async function main(options: ShowOptions): Promise<number> {
  const scene = await setScene(options.cluster);
  let exitCode: number;
  try {
    exitCode = await show(options, scene, interrupted.signal);
  } finally {
    await scene.leave().catch((error: Error) => console.error(`Cleaning up failed: ${error.message}`));
  }
  if (exitCode === 0) console.log("Nothing is left behind.");
  return exitCode;
}

/** Resolves to the exit code: 0 when every job was done and another leader came, 1 when not, 130 when interrupted. */
async function show({ cluster, nodes, jobs, electionTimeout }: ShowOptions, { env, note }: Scene, signal: AbortSignal) {
  console.log(note);
  const whole = { ...env, CLUSTER_TYPE: cluster, ELECTION_TIMEOUT: electionTimeout, KEEP_COMPLETED: "1" };
  const elections = new Elections();
  let screen: Screen | undefined;
  const events: FleetEvents = {
    elected: (nodeId, term) => elections.add(nodeId, term),
    note: (text) => (screen === undefined ? console.log(text) : screen.note(text)),
  };
  const queue = await openQueue(readEnvironment({ ...process.env, ...whole }));
  await queue.open(); // what is wrong with the store shows before any node starts
  const fleet = (cluster === "memory" ? inProcess : processes)(whole, events);
  try {
    for (let n = 1; n <= nodes && !signal.aborted; n += 1) await fleet.start(`node-${n}`);
    await push(queue, jobs);
    console.log(`${nodes} nodes, ${jobs} jobs, election time-out ${electionTimeout}.`);
    screen = showNodes(fleet, jobs);
    const failOverMs = await work(queue, fleet, elections, screen, jobs, signal);
    if (signal.aborted) return 130;
    await lastRows(fleet);
    screen.draw();
    return await report(queue, screen, jobs, failOverMs);
  } finally {
    screen?.end();
    await fleet.stop();
    await queue.close();
  }
}

async function push(queue: Queue, jobs: number): Promise<void> {
  const all = Array.from({ length: jobs }, (_, i) => digestJob.create({ n: i + 1 }));
  for (let i = 0; i < jobs; i += BATCH) await queue.pushBatch(all.slice(i, i + BATCH));
}

/** Waits until every job has ended, and ends the leader in between. Resolves to how long there was none; undefined: none came. */
async function work(
  queue: Queue,
  fleet: Fleet,
  elections: Elections,
  screen: Screen,
  jobs: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  let failOver: Promise<number | undefined> | undefined;
  let [last, since] = [0, performance.now()];
  while (!signal.aborted && performance.now() - since < STALLED_AFTER_MS) {
    const { completedJobs = 0, failedJobs = 0 } = await queue.getStats();
    if (completedJobs !== last) [last, since] = [completedJobs, performance.now()];
    if (failOver === undefined && completedJobs >= END_LEADER_AT * jobs) failOver = endLeader(fleet, elections, screen);
    if (completedJobs + failedJobs >= jobs) return failOver;
    await sleep(50);
  }
  return undefined;
}

/** Until each node that lives has told twice more what it did: the first may have been under way. */
async function lastRows(fleet: Fleet): Promise<void> {
  for (let times = 0; times < 2; times += 1) await newRows(fleet);
}

/** Of a node that says nothing for so long, the last row stays. */
async function newRows(fleet: Fleet): Promise<void> {
  const before = new Map(fleet.rows);
  const isOld = (nodeId: string): boolean =>
    !fleet.endings.has(nodeId) && fleet.rows.get(nodeId) === before.get(nodeId);
  const end = performance.now() + LAST_ROWS_MS;
  while ([...before.keys()].some(isOld) && performance.now() < end) await sleep(20);
}

async function endLeader(fleet: Fleet, elections: Elections, screen: Screen): Promise<number | undefined> {
  const before = elections.current;
  if (before === undefined) return undefined;
  const next = elections.next();
  const start = performance.now();
  const { what } = await fleet.end(before.nodeId);
  screen.note(`${what} It led with term ${before.term}.`);
  const found = await Promise.race([next, sleep(STALLED_AFTER_MS, undefined, { ref: false })]);
  if (found === undefined) return undefined;
  const ms = performance.now() - start;
  screen.note(`${found.nodeId} leads ${Math.round(ms)} ms later, with term ${found.term}.`);
  return ms;
}

async function report(queue: Queue, screen: Screen, jobs: number, failOverMs: number | undefined): Promise<number> {
  const { redelivered, byNode, differences } = await prove(queue, jobs);
  screen.end(byNode);
  for (const difference of differences.slice(0, 10)) console.log(`DIFFERENT: ${difference}`);
  if (failOverMs === undefined) console.log("No other leader came.");
  if (differences.length > 0 || failOverMs === undefined) {
    console.log("NOT proven.");
    return 1;
  }
  console.log(`${jobs} jobs pushed, ${jobs} completed, each once and with the right result; 0 lost.`);
  console.log(`${redelivered} of them had been in the hands of the node that was ended, and were started again.`);
  return 0;
}
