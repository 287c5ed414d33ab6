/** The lines of a run, put together by job. */
import type { Token } from "../../src/contract/index.ts";
import type { Span } from "../stalls/spans.ts";
import type { Finish, Finishing, Line, Pushing, Refused, Start } from "./log.ts";

type Logged<E> = E & Readonly<{ at: number; from: string }>;

/** One lease of one job. */
export type LeaseHistory = {
  readonly start: Logged<Start>;
  /** The lease cannot end earlier by itself. */
  endsAt: number;
  readonly tries: Logged<Finishing>[];
  readonly answers: Logged<Finish | Refused>[];
};

export type JobHistory = {
  readonly id: string;
  pushing: Logged<Pushing> | undefined;
  /** When the push had resolved. */
  pushedAt: number | undefined;
  /** In the order in which the store gave them out. */
  leases: LeaseHistory[];
  readonly runs: Logged<Readonly<{ sha: string }>>[];
  rans: number;
};

/** Of the store's wall clock: in force from some moment between `from` and `until` of the one before on. */
export type Offset = Readonly<{ offsetMs: number; from: number; until: number }>;

/** The store, or the way to it, was disturbed between the two. */
export type Outage = Readonly<{ why: string; from: number; until: number }>;

/** What a process asked for, from before it was sent until its answer was written down: Infinity where none came. */
export type Claim = Span & Readonly<{ max: number }>;

type Fault = Extract<Line, Readonly<{ type: "fault" }>>;

export type History = Readonly<{
  jobs: ReadonlyMap<string, JobHistory>;
  offsets: readonly Offset[];
  /** From when on whose leases may end without blame. */
  faults: readonly Fault[];
  outages: readonly Outage[];
  /** When a process was not run, by its name. */
  stalls: ReadonlyMap<string, readonly Span[]>;
  /** No worker was ready, or none that was ready was run. */
  workerless: readonly Span[];
  errors: ReadonlyMap<string, number>;
  claims: readonly Claim[];
  /** Transactions that claim, over a coordination store. */
  transactions: Readonly<{ sent: number; refused: number }>;
}>;

export function historyOf(lines: readonly Line[]): History {
  const jobs = new Map<string, JobHistory>();
  const faults: Fault[] = [];
  const errors = new Map<string, number>();
  const transactions = { sent: 0, refused: 0 };
  const stalls = new Map<string, Span[]>();
  for (const line of lines) {
    if (line.type === "fault") faults.push(line);
    else if (line.type === "stalled")
      stalls.set(line.from, [...(stalls.get(line.from) ?? []), { from: line.since, until: line.until }]);
    else if (line.type === "away" || line.type === "back" || line.type === "up" || line.type === "down") continue;
    else if (line.type === "error") errors.set(line.code, (errors.get(line.code) ?? 0) + 1);
    else if (line.type === "claims") {
      transactions.sent += line.sent;
      transactions.refused += line.refused;
    } else if (!isOfClaim(line)) addToJobs(jobs, line);
  }
  for (const job of jobs.values()) job.leases.sort((a, b) => compareTokens(a.start, b.start));
  return {
    jobs,
    faults,
    errors,
    transactions,
    claims: claimsOf(lines),
    stalls,
    outages: outagesOf(lines),
    workerless: workerlessOf(lines),
    offsets: offsetsOf(lines),
  };
}

function addToJobs(jobs: Map<string, JobHistory>, line: Line): void {
  if ("ids" in line) {
    if (line.type === "pushed") for (const id of line.ids) jobOf(jobs, id).pushedAt ??= line.at;
  } else if ("id" in line) {
    addToJob(jobOf(jobs, line.id), line);
  }
}

function jobOf(jobs: Map<string, JobHistory>, id: string): JobHistory {
  let job = jobs.get(id);
  if (job === undefined) {
    job = { id, pushing: undefined, pushedAt: undefined, leases: [], runs: [], rans: 0 };
    jobs.set(id, job);
  }
  return job;
}

function addToJob(job: JobHistory, line: Extract<Line, Readonly<{ id: string }>>): void {
  switch (line.type) {
    case "pushing":
      job.pushing = line;
      break;
    case "start":
      job.leases.push({ start: line, endsAt: line.claimedAt + line.leaseMs, tries: [], answers: [] });
      break;
    case "run":
      job.runs.push(line);
      break;
    case "ran":
      job.rans += 1;
      break;
    case "finishing":
      leaseOf(job, line)?.tries.push(line);
      break;
    case "finish":
    case "refused":
      leaseOf(job, line)?.answers.push(line);
      break;
    case "extended": {
      const lease = leaseOf(job, line);
      if (lease !== undefined) lease.endsAt = line.sentAt + line.leaseMs;
      break;
    }
  }
}

/** The newest of that token and process: a store that gives a token twice must not blur whose lines these are. */
function leaseOf(job: JobHistory, { token, from }: Readonly<{ token: Token; from: string }>): LeaseHistory | undefined {
  return job.leases.findLast(({ start }) => start.token === token && start.from === from);
}

/** An owner's id, the version that the store gave the claim, and the job's rank in it: a token of the drivers over coordination stores. */
const BY_VERSION = /^[0-9a-z]{19,40}\.(\d+)\.\d+$/;

/** undefined where tokens tell no order: then it is that in which their answers came. */
function orderOf(token: Token): bigint | undefined {
  if (typeof token === "number") return BigInt(token);
  const version = BY_VERSION.exec(String(token))?.[1];
  return version === undefined ? undefined : BigInt(version);
}

function compareTokens(a: Logged<Start>, b: Logged<Start>): number {
  const [first, second] = [orderOf(a.token), orderOf(b.token)];
  if (first === undefined || second === undefined || first === second) return a.at - b.at;
  return first < second ? -1 : 1;
}

/** One after the other: the conductor makes the next when the one before is over. */
function outagesOf(lines: readonly Line[]): readonly Outage[] {
  const backs = lines.filter(({ type }) => type === "back").map(({ at }) => at);
  return lines.flatMap((line) =>
    line.type === "away"
      ? [{ why: line.why, from: line.at, until: backs.find((at) => at >= line.at) ?? Infinity }]
      : [],
  );
}

function isOfClaim(line: Line): line is Extract<Line, Readonly<{ claim: number }>> {
  return line.type === "claiming" || line.type === "claimed" || line.type === "claimFailed";
}

function claimsOf(lines: readonly Line[]): readonly Claim[] {
  const open = new Map<string, Claim & { until: number }>();
  const claims: Claim[] = [];
  for (const line of lines) {
    if (line.type === "claimed") {
      const claim = open.get(`${line.from} ${line.claim}`);
      if (claim !== undefined) claim.until = line.at;
    } else if (line.type === "claiming") {
      const claim = { max: line.max, from: line.at, until: Infinity };
      open.set(`${line.from} ${line.claim}`, claim);
      claims.push(claim);
    }
  }
  return claims;
}

type Change = Readonly<{ at: number; target: string; is: "ready" | "gone" | "stalled" | "run again" }>;

function changesOf(line: Line): readonly Change[] {
  if (line.type === "up") return [{ at: line.at, target: line.target, is: "ready" }];
  if (line.type === "down") return [{ at: line.at, target: line.target, is: "gone" }];
  if (line.type !== "stalled") return [];
  const { since, until, from: target } = line;
  return [
    { at: since, target, is: "stalled" },
    { at: until, target, is: "run again" },
  ];
}

/** None where nobody wrote down when workers were ready. */
function workerlessOf(lines: readonly Line[]): readonly Span[] {
  const spans: Span[] = [];
  const ready = new Set<string>();
  const stalled = new Set<string>();
  let from: number | undefined;
  for (const { at, target, is } of lines.flatMap(changesOf).toSorted((a, b) => a.at - b.at)) {
    if (is === "ready") ready.add(target);
    else if (is === "gone") ready.delete(target);
    else if (is === "stalled") stalled.add(target);
    else stalled.delete(target);
    const isAnyRun = [...ready].some((name) => !stalled.has(name));
    if (isAnyRun && from !== undefined) spans.push({ from, until: at });
    if (isAnyRun) from = undefined;
    else if (ready.size > 0 || is === "gone") from ??= at;
  }
  return from === undefined ? spans : [...spans, { from, until: Infinity }];
}

function offsetsOf(lines: readonly Line[]): readonly Offset[] {
  const begun: { offsetMs: number; from: number }[] = [{ offsetMs: 0, from: -Infinity }];
  const untils: number[] = [];
  for (const line of lines) {
    if (line.type === "stepping") begun.push({ offsetMs: line.offsetMs, from: line.at });
    if (line.type === "stepped") untils.push(line.at);
  }
  return begun.map((offset, i) => ({ ...offset, until: untils[i] ?? Infinity }));
}

/** How much further than the machine's monotonic clock the wall clock may have gone between a moment in [a, b] and one in [a, end]. */
export function greatestRise(offsets: readonly Offset[], a: number, b: number, end: number): number {
  const within = (to: number): readonly number[] =>
    offsets.filter(({ from, until }) => from <= to && until >= a).map(({ offsetMs }) => offsetMs);
  return Math.max(0, Math.max(...within(end)) - Math.min(...within(b)));
}
