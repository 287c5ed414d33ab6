// A driver over an ordered key-value store with sessions, as etcd, Consul and ZooKeeper are. What the contract must carry here: transactions of at
// most 64 operations, reservations that lie under a session and end with it, tokens that are revisions, and recovery by whoever runs maintain.
//
// Keys (names escaped):  id/<id>              where the job is now
//                        r/<queue>/<prio>/<n> waits      d/<time>/<n> delayed      p/<session>/<id> held      f/<n> failed
//                        q/<queue>            paused, completed
import type {
  Capabilities,
  Driver,
  DriverContext,
  ErrorClass,
  ExtendItem,
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
import { digits, escape, failed, fromPush, idKey, queueKey, readyPrefix, stored, upToLost } from "./kv-records.ts";
import type { Kept, QueueState } from "./kv-records.ts";
import type { Compare, Entry, KvServer, Operation } from "./kv-server.ts";
import { claimOrWait } from "./waiting.ts";

const SESSION_TTL_MS = 10_000;
const PRIORITIES = 1_000;
const MAX_PAYLOAD = 512 * 1024;
/** Two operations a job and one for the queue stay within one transaction. */
const PUSH_BATCH = 20;
/** Three operations a job. */
const CLAIM_BATCH = 20;
const MAX_DELAY_MS = 365 * 86_400_000;

const capabilities: Capabilities = {
  durability: "quorum",
  shared: true,
  pushById: true,
  attempts: "exact",
  finish: "confirmed",
  release: "native",
  refund: true,
  priority: { support: "native", order: "strict", min: -PRIORITIES, max: PRIORITIES },
  fifo: true,
  delay: { support: "native", precisionMs: 0, maxMs: MAX_DELAY_MS },
  lease: { ends: "connection", grainMs: SESSION_TTL_MS, minMs: 0, extend: "emulated" },
  batch: { atomic: PUSH_BATCH, maxItems: 500, maxBytes: 4 * 1024 * 1024 },
  payload: { maxBytes: MAX_PAYLOAD },
  wakeup: { kind: "notify", pollMs: 1_000 },
  pause: { support: "native", lagMs: 0 },
  clear: { support: "native", counts: true },
  stats: { pending: "exact", delayed: "exact", reserved: "exact", failed: "exact", completed: "exact" },
  records: false,
  failedJobs: true,
  transactions: false,
  coordination: false,
};

export class KvDriver implements Driver {
  readonly name = "kv";
  readonly #server: KvServer;
  readonly #closing = new AbortController();
  #context: DriverContext | undefined;
  #session = "";
  /** Used up by a release that was a loss; told by the next maintain. */
  readonly #handedBackDead: StoredJob[] = [];
  #made = 0;
  #lost: "push" | "finish" | undefined;

  constructor(server: KvServer) {
    this.#server = server;
  }

  async open(context: DriverContext): Promise<Capabilities> {
    this.#context = context;
    this.#session = this.#server.openSession(SESSION_TTL_MS);
    return capabilities;
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#server.closeSession(this.#session);
  }

  crash(): void {
    this.#closing.abort();
    this.#server.silence(this.#session);
  }

  loseNextAnswer(call: "push" | "finish"): void {
    this.#lost = call;
  }

  classify(error: unknown): ErrorClass {
    return isJobferryError(error) ? error : { code: "UNEXPECTED", retryable: false };
  }

  // Push

  async push(jobs: readonly PushItem[], options?: Readonly<{ transaction?: never }>): Promise<readonly PushResult[]> {
    this.#checkOpen();
    if (options?.transaction !== undefined)
      throw new UnsupportedError("transactions", "This store has no transactions of the user's.");
    const results: PushResult[] = [];
    for (let start = 0; start < jobs.length; start += PUSH_BATCH)
      results.push(...(await this.#pushBatch(jobs.slice(start, start + PUSH_BATCH))));
    if (!this.#loses("push")) return results;
    return results.map((result) => (result.status === "refused" ? result : { status: "unknown" }));
  }

  async #pushBatch(jobs: readonly PushItem[]): Promise<readonly PushResult[]> {
    for (;;) {
      const taken = new Set<string>();
      const results: PushResult[] = [];
      const compares: Compare[] = [];
      const operations: Operation[] = [];
      for (const job of jobs) {
        const key = idKey(job.id);
        const error = this.#refusal(job);
        if (error !== undefined) results.push({ status: "refused", error });
        else if (taken.has(key) || (await this.#server.get(key)) !== undefined) results.push({ status: "exists" });
        else {
          taken.add(key);
          compares.push({ key, revision: undefined });
          operations.push(...this.#place(fromPush(job, this.#now()), key));
          results.push({ status: "stored" });
        }
      }
      await this.#register(jobs.map(({ queue }) => queue));
      if (operations.length === 0 || (await this.#server.transact(compares, operations)) !== undefined) return results;
    }
  }

  #refusal(job: PushItem): JobferryError | undefined {
    if (job.payload.byteLength > MAX_PAYLOAD)
      return new JobferryError("PAYLOAD_TOO_LARGE", `The payload is larger than ${MAX_PAYLOAD} bytes.`);
    if (Math.abs(job.priority) > PRIORITIES)
      return new UnsupportedError("priority", `Priorities go from ${-PRIORITIES} to ${PRIORITIES}.`);
    const delayMs = job.runAt === undefined ? job.delayMs : job.runAt - this.#now();
    return delayMs > MAX_DELAY_MS ? new UnsupportedError("delay", `Delays go up to ${MAX_DELAY_MS} ms.`) : undefined;
  }

  async #register(queues: readonly string[]): Promise<void> {
    for (const queue of new Set(queues)) {
      const state: QueueState = { paused: false, completed: 0 };
      await this.#server.transact(
        [{ key: queueKey(queue), revision: undefined }],
        [{ put: queueKey(queue), value: state }],
      );
    }
  }

  /** Puts a job where it waits: behind what is ready, or under its time. */
  #place(job: Kept, key = idKey(job.id)): readonly Operation[] {
    const place = `${digits(this.#server.revision)}.${digits((this.#made += 1))}.${escape(job.id)}`;
    const put =
      job.availableAt > this.#now()
        ? `d/${digits(Math.ceil(job.availableAt))}/${place}`
        : `${readyPrefix(job.queue)}${digits(PRIORITIES - job.priority)}/${place}`;
    return [
      { put, value: job },
      { put: key, value: put },
    ];
  }

  // Reserve

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    this.#checkOpen();
    const subscribe = (wake: () => void): (() => void) => this.#server.watch(wake);
    const claim = (): Promise<ReserveResult> => this.#claim(request);
    return claimOrWait({
      clock: this.#clock,
      request,
      closing: this.#closing.signal,
      subscribe,
      pollMs: capabilities.wakeup.pollMs,
      claim,
    });
  }

  async #claim(request: ReserveRequest): Promise<ReserveResult> {
    const reservations: Reservation[] = [];
    const { died, nextDueInMs } = await this.maintain({ max: 100 });
    let free = request.free ?? request.max;
    for (const queue of request.queues) {
      while (reservations.length < request.max && !this.#closing.signal.aborted && request.signal?.aborted !== true) {
        const max = Math.min(CLAIM_BATCH, request.max - reservations.length);
        const got = await this.#claimFrom(queue, max, free);
        if (got === "raced") continue;
        reservations.push(...got);
        free -= got.filter(({ job }) => job.losses > 0).length;
        if (got.length < max) break;
      }
    }
    return { reservations, died, nextDueInMs };
  }

  async #claimFrom(queue: string, max: number, free: number): Promise<readonly Reservation[] | "raced"> {
    const state = await this.#server.get<QueueState>(queueKey(queue));
    if (state === undefined || state.value.paused) return [];
    const waiting = upToLost(await this.#server.range<Kept>(readyPrefix(queue), max), free);
    const now = this.#now();
    const held = waiting.map(({ value }): Kept => ({ ...value, attempts: value.attempts + 1, reservedAt: now }));
    const compares: Compare[] = [
      { session: this.#session },
      // A pause that came meanwhile counts.
      { key: state.key, revision: state.revision },
      ...waiting.map(({ key, revision }) => ({ key, revision })),
    ];
    const operations = held.flatMap((job, index): Operation[] => [
      { delete: waiting[index]?.key ?? "" },
      { put: this.#heldKey(job.id), value: job },
      { put: idKey(job.id), value: this.#heldKey(job.id) },
    ]);
    if (operations.length === 0) return [];
    const revision = await this.#server.transact(compares, operations);
    if (revision === undefined) return this.#server.isAlive(this.#session) ? "raced" : [];
    return held.map((job, index) => ({ job: stored(job, "reserved"), token: `${this.#session}/${revision}/${index}` }));
  }

  #heldKey(id: string): string {
    return `p/${this.#session}/${escape(id)}`;
  }

  // Finish

  async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    const results: FinishResult[] = [];
    for (const item of items) results.push(await this.#finishOne(item));
    return this.#loses("finish") ? results.map(() => "unknown") : results;
  }

  async #finishOne(item: FinishItem): Promise<FinishResult> {
    const entry = await this.#heldUnder(item.reservation);
    if (entry === undefined) return "lost";
    const done = await this.#server.transact(
      [{ key: entry.key, revision: entry.revision }],
      [{ delete: entry.key }, ...this.#next(item, entry.value)],
    );
    if (done === undefined) return "lost";
    const losses = entry.value.losses + 1;
    if (item.outcome === "release" && item.loss === true && losses >= entry.value.maxLosses) {
      this.#handedBackDead.push(stored(this.#expired({ ...entry.value, losses }), "failed"));
    }
    if (item.outcome === "done")
      await this.#change(entry.value.queue, (state) => ({ ...state, completed: state.completed + 1 }));
    return "ok";
  }

  #next(item: FinishItem, job: Kept): readonly Operation[] {
    const now = this.#now();
    if (item.outcome === "done") return [{ delete: idKey(job.id) }];
    const exceptions = job.exceptions + (item.threw === true ? 1 : 0);
    if (item.outcome === "fail") return failed({ ...job, exceptions, failure: item.failure, finishedAt: now });
    const attempts = job.attempts - (item.refund === true ? 1 : 0);
    const failure = item.failure ?? job.failure;
    const released: Kept = {
      ...job,
      attempts,
      exceptions,
      failure,
      reservedAt: undefined,
      availableAt: now + item.delayMs,
    };
    return item.loss === true ? this.#lose({ ...released, losses: job.losses + 1 }) : this.#place(released);
  }

  /** The held job of a token that counts still. A token of another session is lost without asking the store. */
  async #heldUnder({ job, token }: Reservation): Promise<Entry<Kept> | undefined> {
    const [session, revision] = String(token).split("/");
    if (session !== this.#session || this.#closing.signal.aborted) return undefined;
    const entry = await this.#server.get<Kept>(this.#heldKey(job.id));
    return entry?.revision === Number(revision) ? entry : undefined;
  }

  async extend(items: readonly ExtendItem[]): Promise<readonly ExtendResult[]> {
    const results: ExtendResult[] = [];
    for (const { reservation } of items)
      results.push((await this.#heldUnder(reservation)) === undefined ? "lost" : "ok");
    return results;
  }

  // Maintain

  async maintain({ max }: Readonly<{ max: number }>): Promise<MaintainResult> {
    const promoted = await this.#promote(max);
    const died = this.#handedBackDead.splice(0);
    let recovered = 0;
    for (const entry of await this.#server.range<Kept>("p/")) {
      const session = entry.key.split("/")[1] ?? "";
      if (recovered + died.length >= max || this.#server.isAlive(session)) continue;
      const job: Kept = { ...entry.value, losses: entry.value.losses + 1, reservedAt: undefined };
      const moved = await this.#server.transact([entry], [{ delete: entry.key }, ...this.#lose(job)]);
      if (moved === undefined) continue;
      if (job.losses >= job.maxLosses) died.push(stored(this.#expired(job), "failed"));
      else recovered += 1;
    }
    return { promoted, recovered, pruned: 0, died, nextDueInMs: await this.#nextDueInMs() };
  }

  /** Where a job goes that was lost just now. */
  #lose(job: Kept): readonly Operation[] {
    return job.losses >= job.maxLosses ? failed(this.#expired(job)) : this.#place(job);
  }

  #expired(job: Kept): Kept {
    const message = `The lease was lost ${job.losses} times.`;
    const failure = { code: "LEASE_EXPIRED", name: "JobferryError", message, stack: undefined };
    return { ...job, failure, finishedAt: this.#now() };
  }

  async #promote(max: number): Promise<number> {
    let promoted = 0;
    for (const entry of await this.#server.range<Kept>("d/", max)) {
      if (entry.value.availableAt > this.#now()) break;
      if ((await this.#server.transact([entry], [{ delete: entry.key }, ...this.#place(entry.value)])) !== undefined)
        promoted += 1;
    }
    return promoted;
  }

  async #nextDueInMs(): Promise<number | undefined> {
    const [first] = await this.#server.range<Kept>("d/", 1);
    return first === undefined ? undefined : Math.max(0, first.value.availableAt - this.#now());
  }

  // Queues

  async queues(): Promise<readonly string[]> {
    return (await this.#server.range("q/")).map(({ key }) => decodeURIComponent(key.slice(2)));
  }

  async stats(queue?: string): Promise<StoredStats> {
    const ofQueue = ({ value }: Entry<Kept>): boolean => queue === undefined || value.queue === queue;
    const count = async (prefix: string): Promise<number> =>
      (await this.#server.range<Kept>(prefix)).filter(ofQueue).length;
    const ready = (await this.#server.range<Kept>("r/")).filter(ofQueue);
    const states = await this.#server.range<QueueState>(queue === undefined ? "q/" : queueKey(queue));
    const own = states.filter(({ key }) => queue === undefined || key === queueKey(queue)).map(({ value }) => value);
    return {
      pending: ready.length,
      delayed: await count("d/"),
      reserved: await count("p/"),
      failed: await count("f/"),
      completed: own.reduce((sum, { completed }) => sum + completed, 0),
      oldestPendingAt: ready.length === 0 ? undefined : Math.min(...ready.map(({ value }) => value.availableAt)),
      paused: queue !== undefined && own.some(({ paused }) => paused),
    };
  }

  async clear(queue?: string): Promise<Readonly<{ removed: number | undefined }>> {
    let removed = 0;
    for (const prefix of [queue === undefined ? "r/" : readyPrefix(queue), "d/"]) {
      for (const entry of await this.#server.range<Kept>(prefix)) {
        if (queue !== undefined && entry.value.queue !== queue) continue;
        const gone = await this.#server.transact([entry], [{ delete: entry.key }, { delete: idKey(entry.value.id) }]);
        if (gone !== undefined) removed += 1;
      }
    }
    return { removed };
  }

  async pause(queue: string): Promise<void> {
    await this.#register([queue]);
    await this.#change(queue, (state) => ({ ...state, paused: true }));
  }

  async resume(queue: string): Promise<void> {
    await this.#change(queue, (state) => ({ ...state, paused: false }));
  }

  async #change(queue: string, change: (state: QueueState) => QueueState): Promise<void> {
    for (;;) {
      const entry = await this.#server.get<QueueState>(queueKey(queue));
      if (entry === undefined) return;
      if ((await this.#server.transact([entry], [{ put: entry.key, value: change(entry.value) }])) !== undefined)
        return;
    }
  }

  get #clock(): DriverContext["clock"] {
    if (this.#context === undefined) throw new JobferryError("NOT_OPEN", "Call open() first.");
    return this.#context.clock;
  }

  #now(): number {
    return this.#clock.now();
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
