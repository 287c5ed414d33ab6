/**
 * What the processes of a chaos run write down. Every process appends to a file of its own, and each line is in the file (write(2) has
 * returned) before the step goes on, so a SIGKILL loses at most the line that was never needed.
 */
import { appendFileSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import type { Token } from "../../src/contract/index.ts";

export type End = "done" | "release" | "fail";

/** What becomes of a job in the end: `done`, or the code under which it lies in failed. */
export type Fate = "done" | "HANDLER_FAILED" | "CANCELLED" | "TIMEOUT" | "LEASE_EXPIRED";

/** `batch`: which pushBatch it belongs to. `sha`: of payload and attributes. */
export type Pushing = Readonly<{
  type: "pushing";
  id: string;
  queue: string;
  delayMs: number;
  maxAttempts: number;
  maxLosses: number;
  fate: Fate;
  sha: string;
  batch?: string;
}>;

/** A lease began. `claimedAt`: just before the claim was sent. */
export type Start = Readonly<{
  type: "start";
  id: string;
  token: Token;
  leaseMs: number;
  claimedAt: number;
  attempts: number;
  losses: number;
}>;
export type Finishing = Readonly<{ type: "finishing"; id: string; token: Token; end: End; delayMs: number }>;
/** The store's answer; `refused` is the answer "lost". */
export type Finish = Readonly<{ type: "finish"; id: string; token: Token; end: End; result: "ok" | "unknown" }>;
export type Refused = Readonly<{ type: "refused"; id: string; token: Token; end: End }>;
export type Extended = Readonly<{ type: "extended"; id: string; token: Token; sentAt: number; leaseMs: number }>;

export type Entry =
  | Pushing
  | Readonly<{ type: "pushed"; ids: readonly string[] }>
  | Readonly<{ type: "notPushed"; ids: readonly string[]; why: string }>
  /** A claim is sent, and its answer has come; or it failed, and may have taken jobs or not. `claim`: its number in the process. */
  | Readonly<{ type: "claiming"; claim: number; max: number }>
  | Readonly<{ type: "claimed" | "claimFailed"; claim: number }>
  | Start
  | Readonly<{ type: "run"; id: string; sha: string }>
  | Readonly<{ type: "ran"; id: string }>
  | Finishing
  | Finish
  | Refused
  | Extended
  /** `kill`, `stop` and `poison` excuse the leases that their target held. */
  | Readonly<{ type: "fault"; fault: "kill" | "stop" | "continue" | "poison" | "end"; target: string; why?: string }>
  /** A worker was ready, or its process had ended. */
  | Readonly<{ type: "up" | "down"; target: string }>
  /** The store, or the way to it, is disturbed until `back`: that excuses the leases of everybody. `why`: what was done to it. */
  | Readonly<{ type: "away" | "back"; why: string }>
  /** The process was not run between the two, which are machineMs(). */
  | Readonly<{ type: "stalled"; since: number; until: number }>
  /** `offsetMs` is the wall clock's new offset. */
  | Readonly<{ type: "stepping" | "stepped"; offsetMs: number }>
  /** Of a process over a coordination store: transactions that claim, and those that others spoiled. */
  | Readonly<{ type: "claims"; sent: number; refused: number }>
  | Readonly<{ type: "error"; code: string; message: string }>;

/** `at`: machineMs(). `from`: the process. */
export type Line = Entry & Readonly<{ at: number; from: string }>;

/** Milliseconds of the machine's monotonic clock, which all its processes share. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export class LogWriter {
  readonly from: string;
  readonly #file: number;
  closed = false;

  constructor(folder: string, from: string) {
    mkdirSync(folder, { recursive: true });
    this.from = from;
    this.#file = openSync(join(folder, `${from}.log`), "a");
  }

  write(...entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    const at = machineMs();
    writeSync(this.#file, entries.map((entry) => `${JSON.stringify({ at, ...entry })}\n`).join(""));
  }

  close(): void {
    this.closed = true;
    closeSync(this.#file);
  }
}

/** All lines of all processes, in the order of their times. The last line of a killed process may be cut: it was not written before any step. */
export function readLogs(folder: string): readonly Line[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(".log"));
  const lines = files.flatMap((name) => parseLog(readFileSync(join(folder, name), "utf8"), basename(name, ".log")));
  return lines.sort((a, b) => a.at - b.at);
}

/** How many jobs that process wrote down to push whose answer it has not written down. */
export function unansweredPushes(folder: string, from: string): number {
  const open = new Set<string>();
  for (const line of parseLog(readFileSync(join(folder, `${from}.log`), "utf8"), from)) {
    if (line.type === "pushing") open.add(line.id);
    else if (line.type === "pushed" || line.type === "notPushed") for (const id of line.ids) open.delete(id);
  }
  return open.size;
}

function parseLog(text: string, from: string): readonly Line[] {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  return whole.filter((line) => line !== "").map((line) => ({ ...(JSON.parse(line) as Line), from }));
}

/** What a child prints, for whoever looks into a failed run. */
export function appendOutput(folder: string, from: string, text: string): void {
  appendFileSync(join(folder, `${from}.out`), text);
}
