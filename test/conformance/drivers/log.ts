// A driver over a log, as Kafka is. What the contract must carry here: a group's place in the log is one offset, while jobs finish in any order, so what
// is done behind an open one is known to this process only and is read again after a crash; a job cannot be delayed or given a priority; it comes again
// by being appended again; one process at a time reads, and polls.
import { deserialize, serialize } from "node:v8";
import type {
  Capabilities,
  Driver,
  DriverContext,
  ErrorClass,
  ExtendResult,
  FinishItem,
  FinishResult,
  MaintainResult,
  PushItem,
  PushResult,
  Reservation,
  ReserveRequest,
  ReserveResult,
  StoredJob,
  StoredStats,
} from "../../../src/contract/index.ts";
import { isJobferryError, JobferryError, UnsupportedError } from "../../../src/errors/index.ts";
import { MEMBER_TIMEOUT_MS } from "./log-server.ts";
import type { LogRecord, LogServer } from "./log-server.ts";
import { claimOrWait } from "./waiting.ts";

const MAX_PAYLOAD = 1024 * 1024;

type Headers = Readonly<Omit<StoredJob, "item" | "state" | "payload" | "reservedAt"> & { maxLosses: number }>;
type Held = Readonly<{ headers: Headers; body: Uint8Array }>;

/** This process's part in one topic, as long as one generation lasts. */
type Reading = {
  readonly topic: string;
  readonly generation: number;
  /** Everything before it is done, and the group knows. */
  committed: number;
  /** The next one to hand out. */
  position: number;
  readonly held: Map<number, Held>;
  /** Done, but not everything before them. Known here only. */
  readonly doneAhead: Set<number>;
};

const capabilities: Capabilities = {
  durability: "quorum",
  shared: true,
  pushById: false,
  attempts: "approximate",
  finish: "sent",
  release: "byCopy",
  refund: false,
  priority: { support: "unsupported", order: "approximate", min: 0, max: 0 },
  fifo: true,
  delay: { support: "unsupported", precisionMs: 0, maxMs: 0 },
  lease: { ends: "connection", grainMs: MEMBER_TIMEOUT_MS, minMs: 0, extend: "unsupported" },
  batch: { atomic: 1, maxItems: 10_000, maxBytes: 8 * 1024 * 1024 },
  payload: { maxBytes: MAX_PAYLOAD },
  wakeup: { kind: "poll", pollMs: 100 },
  pause: { support: "unsupported", lagMs: 0 },
  clear: { support: "unsupported", counts: false },
  stats: { pending: "approximate", delayed: "none", reserved: "none", failed: "approximate", completed: "none" },
  records: false,
  failedJobs: true,
  transactions: false,
  coordination: false,
};

const live = (queue: string): string => `jobs.${queue}`;
const dead = (queue: string): string => `dead.${queue}`;

export class LogDriver implements Driver {
  readonly name = "log";
  readonly #server: LogServer;
  readonly #closing = new AbortController();
  readonly #readings = new Map<string, Reading>();
  /** Claims on one topic go one after the other: they share a position. */
  readonly #claiming = new Map<string, Promise<unknown>>();
  #context: DriverContext | undefined;
  #lost: "push" | "finish" | undefined;

  constructor(server: LogServer) {
    this.#server = server;
  }

  async open(context: DriverContext): Promise<Capabilities> {
    this.#context = context;
    return capabilities;
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await Promise.all(this.#claiming.values());
    this.#server.leave(this);
  }

  crash(): void {
    this.#closing.abort();
    this.#server.silence(this);
  }

  loseNextAnswer(call: "push" | "finish"): void {
    this.#lost = call;
  }

  classify(error: unknown): ErrorClass {
    return isJobferryError(error) ? error : { code: "UNAVAILABLE", retryable: true };
  }

  async push(jobs: readonly PushItem[], options?: Readonly<{ transaction?: never }>): Promise<readonly PushResult[]> {
    this.#checkOpen();
    if (options?.transaction !== undefined)
      throw new UnsupportedError("transactions", "A log has no transactions of the user's.");
    const results: PushResult[] = [];
    for (const job of jobs) {
      const error = this.#refusal(job);
      if (error === undefined)
        await this.#server.append(live(job.queue), serialize(headersOf(job, this.#clock.now())), job.payload.slice());
      results.push(error === undefined ? { status: "stored" } : { status: "refused", error });
    }
    if (!this.#loses("push")) return results;
    return results.map((result) => (result.status === "refused" ? result : { status: "unknown" }));
  }

  #refusal(job: PushItem): JobferryError | undefined {
    if (job.payload.byteLength > MAX_PAYLOAD)
      return new JobferryError("PAYLOAD_TOO_LARGE", `The payload is larger than ${MAX_PAYLOAD} bytes.`);
    if (job.priority !== 0) return new UnsupportedError("priority", "A log has no priorities.");
    const delayMs = job.runAt === undefined ? job.delayMs : job.runAt - this.#clock.now();
    return delayMs > 0 ? new UnsupportedError("delay", "A log has no delays.") : undefined;
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    this.#checkOpen();
    const claim = (): Promise<ReserveResult> => this.#claim(request);
    const { pollMs } = capabilities.wakeup;
    const nobodyWakes = (): (() => void) => () => undefined;
    return claimOrWait({
      clock: this.#clock,
      request,
      closing: this.#closing.signal,
      subscribe: nobodyWakes,
      pollMs,
      claim,
    });
  }

  async #claim(request: ReserveRequest): Promise<ReserveResult> {
    const reservations: Reservation[] = [];
    const died: StoredJob[] = [];
    let free = request.free ?? request.max;
    for (const queue of request.queues) {
      const topic = live(queue);
      while (reservations.length < request.max && !this.#closing.signal.aborted && request.signal?.aborted !== true) {
        const next = (this.#claiming.get(topic) ?? Promise.resolve()).then(() => this.#readNext(topic, free));
        this.#claiming.set(topic, next);
        const got = await next;
        if (got === undefined) break;
        if ("died" in got) died.push(got.died);
        else {
          reservations.push(got.reservation);
          if (got.reservation.job.losses > 0) free -= 1;
        }
      }
    }
    return { reservations, died, nextDueInMs: undefined };
  }

  async #readNext(
    topic: string,
    free: number,
  ): Promise<Readonly<{ reservation: Reservation } | { died: StoredJob }> | undefined> {
    const reading = this.#reading(topic);
    if (reading === undefined || this.#closing.signal.aborted) return undefined;
    const offset = reading.position;
    const [record] = await this.#server.fetch(topic, offset, 1);
    if (record === undefined) return undefined;
    const before = deserialize(record.headers) as Headers;
    const losses = before.losses + this.#server.deliveriesOf(topic, offset);
    if (losses > 0 && losses < before.maxLosses && free <= 0) return undefined;
    // Kept by the group before anybody sees the job, so that the next reader knows of this attempt.
    const counted = await this.#server.countDeliveries(topic, reading.generation, [offset]);
    if (counted === undefined) return undefined;
    reading.position = offset + 1;
    const headers: Headers = { ...before, losses, attempts: before.attempts + losses - before.losses + 1 };
    if (losses >= before.maxLosses)
      return { died: await this.#bury(reading, record, { ...headers, attempts: headers.attempts - 1 }) };
    reading.held.set(offset, { headers, body: record.body });
    const job = storedOf(headers, record.body, "reserved", this.#clock.now());
    return { reservation: { job, token: `${reading.generation}:${offset}` } };
  }

  async #bury(reading: Reading, record: LogRecord, headers: Headers): Promise<StoredJob> {
    const text = `The lease was lost ${headers.losses} times.`;
    const failure = { code: "LEASE_EXPIRED", name: "JobferryError", message: text, stack: undefined };
    const gone: Headers = { ...headers, failure, finishedAt: this.#clock.now() };
    await this.#server.append(dead(gone.queue), serialize(gone), record.body);
    this.#acknowledge(reading, record.offset);
    return storedOf(gone, record.body, "failed", undefined);
  }

  #reading(topic: string): Reading | undefined {
    const { generation, committed } = this.#server.assign(topic, this);
    if (generation === 0) return undefined;
    const known = this.#readings.get(topic);
    if (known?.generation === generation) return known;
    const fresh: Reading = { topic, generation, committed, position: committed, held: new Map(), doneAhead: new Set() };
    this.#readings.set(topic, fresh);
    return fresh;
  }

  /** The group's place moves on over everything that is done without a gap. */
  #acknowledge(reading: Reading, offset: number): boolean {
    reading.doneAhead.add(offset);
    let committed = reading.committed;
    while (reading.doneAhead.delete(committed)) committed += 1;
    reading.committed = committed;
    return this.#server.commit(reading.topic, reading.generation, committed);
  }

  async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    for (const item of items) {
      if (item.outcome !== "release") continue;
      if (item.delayMs > 0) throw new UnsupportedError("delay", "A log has no delays.");
      if (item.refund === true) throw new UnsupportedError("refund", "A log cannot give an attempt back.");
    }
    const results: FinishResult[] = [];
    for (const item of items) results.push(await this.#finishOne(item));
    return this.#loses("finish") ? results.map(() => "unknown") : results;
  }

  async #finishOne(item: FinishItem): Promise<FinishResult> {
    const [generation, offset = 0] = String(item.reservation.token).split(":").map(Number);
    const reading = this.#readings.get(live(item.reservation.job.queue));
    const held = reading?.held.get(offset);
    if (reading === undefined || held === undefined || reading.generation !== generation) return "lost";
    if (this.#closing.signal.aborted) return "lost";
    reading.held.delete(offset);
    if (item.outcome !== "done") {
      const topic = item.outcome === "fail" ? dead(held.headers.queue) : live(held.headers.queue);
      await this.#server.append(topic, serialize(this.#after(item, held.headers)), held.body);
    }
    return this.#acknowledge(reading, offset) ? "ok" : "lost";
  }

  #after(item: Exclude<FinishItem, { outcome: "done" }>, headers: Headers): Headers {
    const now = this.#clock.now();
    const exceptions = headers.exceptions + (item.threw === true ? 1 : 0);
    if (item.outcome === "fail") return { ...headers, exceptions, failure: item.failure, finishedAt: now };
    // At maxLosses the next reader buries it, before any handler sees it.
    const losses = headers.losses + (item.loss === true ? 1 : 0);
    return { ...headers, losses, exceptions, failure: item.failure ?? headers.failure, availableAt: now };
  }

  async extend(): Promise<readonly ExtendResult[]> {
    throw new UnsupportedError(
      "lease.extend",
      "A record belongs to the member that reads its topic as long as that lives.",
    );
  }

  async maintain(): Promise<MaintainResult> {
    return { promoted: 0, recovered: 0, pruned: 0, died: [], nextDueInMs: undefined };
  }

  async queues(): Promise<readonly string[]> {
    const prefix = live("");
    return this.#server
      .topics()
      .filter((topic) => topic.startsWith(prefix))
      .map((topic) => topic.slice(prefix.length));
  }

  async stats(queue?: string): Promise<StoredStats> {
    const queues = queue === undefined ? await this.queues() : [queue];
    const sum = (count: (name: string) => number): number => queues.reduce((total, name) => total + count(name), 0);
    return {
      // The lag, which counts what is held, too.
      pending: sum((name) => this.#server.lag(live(name))),
      delayed: undefined,
      reserved: undefined,
      failed: sum((name) => this.#server.length(dead(name))),
      completed: undefined,
      oldestPendingAt: undefined,
      paused: false,
    };
  }

  async clear(): Promise<Readonly<{ removed: number | undefined }>> {
    throw new UnsupportedError("clear", "Records of a log cannot be taken out of it.");
  }

  async pause(): Promise<void> {
    throw new UnsupportedError("pause", "A log cannot stop its readers.");
  }

  async resume(): Promise<void> {
    throw new UnsupportedError("pause", "A log cannot stop its readers.");
  }

  get #clock(): DriverContext["clock"] {
    if (this.#context === undefined) throw new JobferryError("NOT_OPEN", "Call open() first.");
    return this.#context.clock;
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new JobferryError("CLOSED", "This driver is closed.");
  }

  #loses(call: "push" | "finish"): boolean {
    if (this.#lost !== call) return false;
    this.#lost = undefined;
    return true;
  }
}

function headersOf(job: PushItem, now: number): Headers {
  const { id, queue, name, priority, tags, maxLosses, createdAt, envelope } = job;
  const counts = { attempts: 0, losses: 0, exceptions: 0 };
  const rest = { finishedAt: undefined, failure: undefined, result: undefined };
  return { id, queue, name, priority, tags, maxLosses, createdAt, envelope, availableAt: now, ...counts, ...rest };
}

function storedOf(
  headers: Headers,
  payload: Uint8Array,
  state: StoredJob["state"],
  reservedAt: number | undefined,
): StoredJob {
  const { maxLosses: _maxLosses, ...job } = headers;
  return { item: undefined, ...job, payload, state, reservedAt };
}
