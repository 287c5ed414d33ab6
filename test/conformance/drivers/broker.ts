// A driver over a message broker, as RabbitMQ and ActiveMQ are. What the contract must carry here: the broker pushes to a connection that gave
// credit, handles die with that connection, a dead connection's messages are delivered again (there is no lease to extend), a release is a copy that is
// confirmed before the original is acknowledged, nothing can be looked up by id, and counts are what the management interface happens to see.
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
import { sleep } from "../../../src/runtime/index.ts";
import { MAX_PRIORITY } from "./broker-server.ts";
import type { BrokerServer, Connection, Consumer, Delivery, Message } from "./broker-server.ts";

const MAX_PAYLOAD = 2 * 1024 * 1024;
const MAX_DELAY_MS = 24 * 3_600_000;

/** What travels beside the payload: everything a job is but its body. */
type Headers = Readonly<Omit<StoredJob, "item" | "state" | "payload" | "reservedAt"> & { maxLosses: number }>;
type Claim = { readonly reservations: Reservation[]; readonly died: StoredJob[]; free: number };

const capabilities: Capabilities = {
  durability: "serverCrash",
  shared: true,
  pushById: false,
  attempts: "approximate",
  finish: "sent",
  release: "byCopy",
  refund: false,
  priority: { support: "native", order: "strict", min: 0, max: MAX_PRIORITY },
  fifo: true,
  delay: { support: "native", precisionMs: 0, maxMs: MAX_DELAY_MS },
  lease: { ends: "connection", grainMs: 0, minMs: 0, extend: "unsupported" },
  batch: { atomic: 1, maxItems: 1_000, maxBytes: 16 * 1024 * 1024 },
  payload: { maxBytes: MAX_PAYLOAD },
  wakeup: { kind: "notify", pollMs: 0 },
  pause: { support: "unsupported", lagMs: 0 },
  clear: { support: "native", counts: false },
  stats: { pending: "approximate", delayed: "none", reserved: "approximate", failed: "approximate", completed: "none" },
  records: false,
  failedJobs: true,
  transactions: false,
  coordination: false,
};

const live = (queue: string): string => `jobs.${queue}`;
const dead = (queue: string): string => `dead.${queue}`;

export class BrokerDriver implements Driver {
  readonly name = "broker";
  readonly #server: BrokerServer;
  readonly #closing = new AbortController();
  #context: DriverContext | undefined;
  #connection: Connection | undefined;
  /** What lies unsettled at this process, by its tag on the current connection. */
  readonly #held = new Map<number, Readonly<{ headers: Headers; body: Uint8Array }>>();
  #cut: "push" | "finish" | undefined;

  constructor(server: BrokerServer) {
    this.#server = server;
  }

  async open(context: DriverContext): Promise<Capabilities> {
    this.#context = context;
    return capabilities;
  }

  async close(): Promise<void> {
    this.crash();
  }

  /** To a broker closing and dying are the same: the connection ends. */
  crash(): void {
    this.#closing.abort();
    this.#connection?.close();
  }

  loseNextAnswer(call: "push" | "finish"): void {
    this.#cut = call;
  }

  classify(error: unknown): ErrorClass {
    return isJobferryError(error) ? error : { code: "UNAVAILABLE", retryable: true };
  }

  async push(jobs: readonly PushItem[], options?: Readonly<{ transaction?: never }>): Promise<readonly PushResult[]> {
    if (options?.transaction !== undefined)
      throw new UnsupportedError("transactions", "A broker has no transactions of the user's.");
    const connection = this.#connected();
    const results: PushResult[] = [];
    for (const job of jobs) {
      const error = this.#refusal(job);
      if (error === undefined) await connection.publish(live(job.queue), this.#message(job), this.#delayOf(job));
      results.push(error === undefined ? { status: "stored" } : { status: "refused", error });
    }
    if (!this.#isCut("push")) return results;
    return results.map((result) => (result.status === "refused" ? result : { status: "unknown" }));
  }

  #refusal(job: PushItem): JobferryError | undefined {
    if (job.payload.byteLength > MAX_PAYLOAD)
      return new JobferryError("PAYLOAD_TOO_LARGE", `The payload is larger than ${MAX_PAYLOAD} bytes.`);
    if (job.priority < 0 || job.priority > MAX_PRIORITY)
      return new UnsupportedError("priority", `Priorities go from 0 to ${MAX_PRIORITY}.`);
    return this.#delayOf(job) > MAX_DELAY_MS
      ? new UnsupportedError("delay", `Delays go up to ${MAX_DELAY_MS} ms.`)
      : undefined;
  }

  #delayOf(job: PushItem): number {
    return job.runAt === undefined ? job.delayMs : Math.max(0, job.runAt - this.#clock.now());
  }

  #message(job: PushItem): Message {
    const { id, queue, name, priority, tags, maxLosses, createdAt, envelope } = job;
    const availableAt = this.#clock.now() + this.#delayOf(job);
    const counts = { attempts: 0, losses: 0, exceptions: 0 };
    const rest = { finishedAt: undefined, failure: undefined, result: undefined };
    return messageOf(
      { id, queue, name, priority, tags, maxLosses, createdAt, envelope, availableAt, ...counts, ...rest },
      job.payload,
    );
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const connection = this.#connected();
    const claim: Claim = { reservations: [], died: [], free: request.free ?? request.max };
    for (const queue of request.queues) {
      const left = request.max - claim.reservations.length;
      if (left > 0 && !this.#hasEnded(request))
        await this.#collect(connection, [queue], left, claim, async () => undefined);
    }
    const isEmpty = claim.reservations.length === 0 && claim.died.length === 0;
    if (isEmpty && request.waitMs > 0) {
      const first = Promise.withResolvers<void>();
      const ended = new AbortController();
      const signals = [this.#closing.signal, ended.signal, ...(request.signal === undefined ? [] : [request.signal])];
      const over = sleep(this.#clock, request.waitMs, AbortSignal.any(signals));
      await this.#collect(
        connection,
        request.queues,
        1,
        claim,
        () => Promise.race([first.promise, over]),
        first.resolve,
      );
      ended.abort();
    }
    return { reservations: claim.reservations, died: claim.died, nextDueInMs: undefined };
  }

  /** Gives credit on each queue, waits, takes it back, and hands back what came beyond `max`. */
  async #collect(
    connection: Connection,
    queues: readonly string[],
    max: number,
    claim: Claim,
    wait: () => Promise<unknown>,
    onFirst: () => void = () => undefined,
  ): Promise<void> {
    const deliveries: Delivery[] = [];
    let isOver = false;
    const receive = (delivery: Delivery): void => {
      if (isOver) return connection.requeue(delivery.tag);
      deliveries.push(delivery);
      onFirst();
    };
    const consumers = queues.map((queue): Consumer => connection.consume(live(queue), receive));
    for (const consumer of consumers) consumer.flow(max);
    await wait();
    await Promise.all(consumers.map((consumer) => consumer.drain()));
    isOver = true;
    for (const consumer of consumers) consumer.cancel();
    for (const [index, delivery] of deliveries.entries()) {
      if (index < max) await this.#accept(connection, delivery, claim);
      else connection.requeue(delivery.tag);
    }
  }

  async #accept(connection: Connection, { tag, message, redeliveries }: Delivery, claim: Claim): Promise<void> {
    const headers = deserialize(message.headers) as Headers;
    const losses = headers.losses + redeliveries;
    const kept: Headers = { ...headers, losses, attempts: headers.attempts + redeliveries };
    // Before any handler sees it, and long before a limit of the broker's own would drop it.
    if (losses >= headers.maxLosses) return this.#bury(connection, tag, kept, message, claim);
    if (losses > 0 && (claim.free -= 1) < 0) return connection.requeue(tag);
    const held: Headers = { ...kept, attempts: kept.attempts + 1 };
    this.#held.set(tag, { headers: held, body: message.body });
    const job = storedOf(held, message.body, "reserved", this.#clock.now());
    claim.reservations.push({ job, token: `${connection.number}:${tag}` });
  }

  async #bury(connection: Connection, tag: number, kept: Headers, message: Message, claim: Claim): Promise<void> {
    const text = `The lease was lost ${kept.losses} times.`;
    const failure = { code: "LEASE_EXPIRED", name: "JobferryError", message: text, stack: undefined };
    const gone: Headers = { ...kept, failure, finishedAt: this.#clock.now() };
    await connection.publish(dead(gone.queue), messageOf(gone, message.body));
    if (connection.settle(tag)) claim.died.push(storedOf(gone, message.body, "failed", undefined));
  }

  async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    if (items.some((item) => item.outcome === "release" && item.refund === true)) {
      throw new UnsupportedError("refund", "A broker cannot give an attempt back.");
    }
    const results: FinishResult[] = [];
    for (const item of items) results.push(await this.#finishOne(item));
    return this.#isCut("finish") ? results.map(() => "unknown") : results;
  }

  async #finishOne(item: FinishItem): Promise<FinishResult> {
    const [number, tag = 0] = String(item.reservation.token).split(":").map(Number);
    const connection = this.#connection;
    const held = this.#held.get(tag);
    if (connection?.isOpen !== true || connection.number !== number || held === undefined) return "lost";
    // Taken before the first await, so that of two calls at once only one copies.
    this.#held.delete(tag);
    if (item.outcome === "done") return connection.settle(tag) ? "ok" : "lost";
    const to = item.outcome === "fail" ? dead(held.headers.queue) : live(held.headers.queue);
    const delayMs = item.outcome === "release" ? item.delayMs : 0;
    await connection.publish(to, messageOf(this.#after(item, held.headers), held.body), delayMs);
    return connection.settle(tag) ? "ok" : "lost";
  }

  #after(item: Exclude<FinishItem, { outcome: "done" }>, headers: Headers): Headers {
    const now = this.#clock.now();
    const exceptions = headers.exceptions + (item.threw === true ? 1 : 0);
    if (item.outcome === "fail") return { ...headers, exceptions, failure: item.failure, finishedAt: now };
    // At maxLosses the next reader buries it, before any handler sees it.
    const losses = headers.losses + (item.loss === true ? 1 : 0);
    return {
      ...headers,
      losses,
      exceptions,
      failure: item.failure ?? headers.failure,
      availableAt: now + item.delayMs,
    };
  }

  async extend(): Promise<readonly ExtendResult[]> {
    throw new UnsupportedError("lease.extend", "A delivery belongs to its connection as long as that lives.");
  }

  /** The broker itself does what there is to do. */
  async maintain(): Promise<MaintainResult> {
    return { promoted: 0, recovered: 0, pruned: 0, died: [], nextDueInMs: undefined };
  }

  async queues(): Promise<readonly string[]> {
    const prefix = live("");
    return this.#server
      .queues()
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length));
  }

  async stats(queue?: string): Promise<StoredStats> {
    const queues = queue === undefined ? await this.queues() : [queue];
    const sum = (count: (name: string) => number): number => queues.reduce((total, name) => total + count(name), 0);
    return {
      pending: sum((name) => this.#server.ready(live(name))),
      delayed: undefined,
      reserved: sum((name) => this.#server.unsettled(live(name))),
      failed: sum((name) => this.#server.ready(dead(name))),
      completed: undefined,
      oldestPendingAt: undefined,
      paused: false,
    };
  }

  async clear(queue?: string): Promise<Readonly<{ removed: number | undefined }>> {
    for (const name of queue === undefined ? await this.queues() : [queue]) this.#server.purge(live(name));
    return { removed: undefined };
  }

  async pause(): Promise<void> {
    throw new UnsupportedError("pause", "This broker cannot stop its consumers everywhere.");
  }

  async resume(): Promise<void> {
    throw new UnsupportedError("pause", "This broker cannot stop its consumers everywhere.");
  }

  get #clock(): DriverContext["clock"] {
    if (this.#context === undefined) throw new JobferryError("NOT_OPEN", "Call open() first.");
    return this.#context.clock;
  }

  /** The connection, or a new one after it was cut. What was held on the old one is lost. */
  #connected(): Connection {
    if (this.#closing.signal.aborted) throw new JobferryError("CLOSED", "This driver is closed.");
    if (this.#connection?.isOpen !== true) {
      this.#held.clear();
      this.#connection = this.#server.connect();
    }
    return this.#connection;
  }

  #hasEnded(request: ReserveRequest): boolean {
    return this.#closing.signal.aborted || request.signal?.aborted === true;
  }

  /** The broker did what it was told; the connection died before it could say so. */
  #isCut(call: "push" | "finish"): boolean {
    if (this.#cut !== call) return false;
    this.#cut = undefined;
    this.#connection?.close();
    return true;
  }
}

function messageOf(headers: Headers, body: Uint8Array): Message {
  return { headers: serialize(headers), body: body.slice(), priority: headers.priority };
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
