/**
 * Jobs in RabbitMQ's quorum queues, over AMQP 0-9-1 with amqplib; one path for every version from 3.10.
 *
 * - A claim is atomic because the server gives a message to one consumer at a time; a pull is a consumer whose prefetch is what is wanted.
 * - A lease ends with its connection: what a dead process held comes again, with one loss more. A release or fail is a copy that is confirmed before the
 *   original is acknowledged, so a crash in between leaves the job twice. An acknowledgement is only sent: a server that is killed may bring the job back.
 * - Emulated: delays (a ladder of queues with a TTL each), attempts and losses (in the message, plus the server's x-delivery-count), the list of queues.
 * - The layout is in topology.ts and docs/backends/rabbitmq.md; why it is so, in docs/adr/0090 to 0097.
 */
import type {
  Capabilities,
  DeadLetters,
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
  RecordStore,
  ReserveRequest,
  ReserveResult,
  StoredStats,
} from "../../contract/index.ts";
import { UnsupportedError } from "../../errors/index.ts";
import { sleep } from "../../runtime/index.ts";
import { closedError, notOpenError } from "../shared/life-cycle.ts";
import { SecondStore } from "../shared/second-store.ts";
import type { SecondQueue } from "../shared/second-store.ts";
import { deadLetters } from "./dead-letters.ts";
import { classify } from "./errors.ts";
import { OpenBroker } from "./open-broker.ts";
import { resolveOptions } from "./options.ts";
import type { RabbitmqDriverOptions, Settings } from "./options.ts";
import { clearQueue, readStats } from "./statistics.ts";

const TITLE = "RabbitMQ driver";
/** Between two looks for failed jobs that somebody else has taken for a moment. */
const OTHERS_MS = 100;
const NOTHING: MaintainResult = { promoted: 0, recovered: 0, pruned: 0, died: [], nextDueInMs: undefined };

class RabbitmqDriver implements Driver {
  readonly name = "rabbitmq";
  readonly records: RecordStore | undefined;
  readonly deadLetters: DeadLetters | undefined;
  readonly #second: SecondStore | undefined;
  readonly #settings: Settings;
  #broker: OpenBroker | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: RabbitmqDriverOptions, second: SecondQueue | undefined) {
    this.#settings = resolveOptions(options);
    const { prefix } = this.#settings;
    this.#second =
      second &&
      new SecondStore(
        second,
        `rabbitmq ${prefix}`,
        (jobs) => this.#open.putBack(jobs),
        (job) => this.#open.stayMs(job),
        () => sleep(this.#open.clock, OTHERS_MS),
      );
    this.records = this.#second;
    this.deadLetters = second === undefined ? deadLetters(() => this.#open) : undefined;
  }

  async open(context: DriverContext): Promise<Capabilities> {
    if (this.#closing !== undefined) throw closedError(TITLE);
    this.#broker ??= new OpenBroker(this.#settings, context, this.#second);
    return this.#broker.open();
  }

  close(): Promise<void> {
    this.#closing ??= this.#broker?.close() ?? Promise.resolve();
    return this.#closing;
  }

  classify(error: unknown): ErrorClass {
    return classify(error, this.#settings.place);
  }

  /** @throws NOT_OPEN, CLOSED. */
  get #open(): OpenBroker {
    if (this.#closing !== undefined) throw closedError(TITLE);
    if (this.#broker === undefined) throw notOpenError(TITLE);
    return this.#broker;
  }

  async push(jobs: readonly PushItem[], options?: Readonly<{ transaction?: never }>): Promise<readonly PushResult[]> {
    if (options?.transaction !== undefined)
      throw new UnsupportedError("transactions", "RabbitMQ cannot store jobs in a transaction of yours.");
    return this.#open.pushing.push(jobs);
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    return this.#open.reserve(request);
  }

  async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    // After close every handle is lost: the connection that held it is gone.
    if (this.#closing !== undefined) return items.map(() => "lost");
    return this.#open.settling.finish(items);
  }

  async extend(items: readonly ExtendItem[]): Promise<readonly ExtendResult[]> {
    if (this.#closing !== undefined) return items.map(() => "lost");
    return this.#open.settling.extend(items);
  }

  /** The server itself does what there is to do, but for what waits in the second store. */
  async maintain({ max }: Readonly<{ max: number }>): Promise<MaintainResult> {
    return { ...NOTHING, promoted: (await this.#second?.promoteDue(max)) ?? 0 };
  }

  async queues(): Promise<readonly string[]> {
    const { topology, control } = this.#open;
    return topology.queues(await control());
  }

  async stats(queue?: string): Promise<StoredStats> {
    const { names, topology, control } = this.#open;
    const [stats, away] = [await readStats(await control(), names, topology, queue), await this.#second?.counts(queue)];
    if (away === undefined) return stats;
    return { ...stats, delayed: (stats.delayed ?? 0) + away.delayed, failed: (stats.failed ?? 0) + away.failed };
  }

  async clear(queue?: string): Promise<Readonly<{ removed: number }>> {
    const { names, topology, control } = this.#open;
    const connection = await control();
    const queues = queue === undefined ? await topology.queues(connection) : [queue];
    let removed = 0;
    for (const name of queues) removed += await clearQueue(connection, names, topology, name);
    return { removed: removed + ((await this.#second?.clear(queue)) ?? 0) };
  }

  async pause(): Promise<void> {
    throw unpausable();
  }

  async resume(): Promise<void> {
    throw unpausable();
  }
}

function unpausable(): UnsupportedError {
  return new UnsupportedError("pause", "RabbitMQ cannot stop its consumers everywhere. Pause the workers instead.");
}

/**
 * A driver for RabbitMQ 3.10 and later. `second` keeps failed jobs, and delays that are longer than the ladder.
 * @throws INVALID_ARGUMENT for an option that is unknown or wrong.
 */
export function rabbitmqDriver(options: RabbitmqDriverOptions, second?: SecondQueue): Driver {
  return new RabbitmqDriver(options, second);
}
