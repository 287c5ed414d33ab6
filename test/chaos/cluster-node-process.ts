/**
 * A node of a cluster in a chaos run: runs jobs, stands for election, and while it has a term writes with it to a register that compares terms, as a
 * program does that does not look whether it still leads.
 */
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { DistributedQueue } from "../../src/entry/index.ts";
import { clusterIn, type Place } from "../process/cluster/place.ts";
import { logStalls, openQueue, settingsFromArguments, untilTold, type WorkerSettings } from "./child.ts";
import { fingerprint, LINGER_MS } from "./job-plan.ts";
import { LogWriter, machineMs } from "./log.ts";

export type NodeSettings = WorkerSettings & Readonly<{ place: Place; register: string; ttlMs: number }>;

/** What a node tells its conductor. `at`: the machine's clock. */
export type Told = Readonly<{
  kind: "joined" | "elected" | "deposed" | "lost" | "rejoined" | "stopping";
  at: number;
  term?: string;
}>;

const WRITE_MS = 20;

const settings = settingsFromArguments<NodeSettings>();
const log = new LogWriter(settings.folder, settings.name);
const tell = (kind: Told["kind"], term?: bigint): void =>
  void process.send?.({ kind, at: machineMs(), ...(term === undefined ? {} : { term: String(term) }) });
const report = ({ error }: Readonly<{ error: Readonly<{ code: string; message: string }> }>): void =>
  log.write({ type: "error", code: error.code, message: error.message });

const register = new DatabaseSync(settings.register, { timeout: 10_000 });
register.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
const raise = register.prepare("UPDATE register SET term = ?1 WHERE id = 1 AND term <= ?1");
const note = register.prepare("INSERT INTO writes (at, term, node, accepted, believed) VALUES (?, ?, ?, ?, ?)");
let term = 0n;

function write(): void {
  if (term === 0n) return;
  const at = machineMs();
  const believed = cluster.isLeader;
  register.exec("BEGIN IMMEDIATE");
  const accepted = Number(raise.run(term).changes);
  note.run(at, term, settings.name, accepted, Number(believed));
  register.exec("COMMIT");
}

const { ttlMs } = settings;
const cluster = clusterIn(settings.place, { nodeId: settings.name, electionTimeout: ttlMs });
cluster.on("error", report);
cluster.on("lost", () => tell("lost"));
cluster.on("rejoined", () => tell("rejoined"));
const node = new DistributedQueue({
  cluster,
  queue: await openQueue(settings, log),
  queues: { orders: 3, mails: 1, reports: 1 },
  workerCount: 1,
  maxConcurrency: settings.concurrency,
  worker: { lease: settings.leaseMs, abortGrace: 500, stopTimeout: "5s" },
  handler: async (job) => {
    log.write({ type: "run", id: job.id, sha: fingerprint(job) });
    if (job.headers["act"] === "lingers") await pause(LINGER_MS);
    log.write({ type: "ran", id: job.id });
  },
});
node.getWorkerPool().on("error", report);

// Between two turns: who is stopped inside a write of SQLite keeps the file's lock.
process.on("message", (message) => {
  if (message === "freeze") process.kill(process.pid, "SIGSTOP");
});
const told = untilTold();
await logStalls(log);
await node.start();
const election = await cluster.elect({
  onElected: (leadership) => {
    term = leadership.term;
    tell("elected", term);
  },
});
election.on("deposed", (event) => tell("deposed", event.term));
tell("joined");
const writing = setInterval(write, WRITE_MS);
await new Promise<void>((resolve) => told.addEventListener("abort", () => resolve(), { once: true }));
tell("stopping");
await node.stop();
clearInterval(writing);
await node.queue.close();
register.close();
log.write({ type: "fault", fault: "end", target: settings.name });
if (process.connected) process.disconnect();
