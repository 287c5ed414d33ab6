import type {
  Capabilities,
  Clock,
  DriverContext,
  ReserveRequest,
  ReserveResult,
  StoredJob,
} from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { settledWithin } from "../../runtime/index.ts";
import type { KeptJob } from "../shared/kept-job.ts";
import { closedError, notOpenError } from "../shared/life-cycle.ts";
import type { SecondStore } from "../shared/second-store.ts";
import { capabilitiesOf } from "./capabilities.ts";
import type { AmqpConfirmChannel } from "./client.ts";
import type { Connection } from "./connection.ts";
import { wantsTls } from "./errors.ts";
import { MAX_DELAY_MS } from "./ladder.ts";
import { Link } from "./link.ts";
import { MessageLimit } from "./message-limit.ts";
import { Names } from "./names.ts";
import type { Settings } from "./options.ts";
import { AHEAD_MS, PostOffice } from "./posting.ts";
import type { Posting } from "./posting.ts";
import { Publishing } from "./publishing.ts";
import { Pushing } from "./pushing.ts";
import { Reserving } from "./reserving.ts";
import { Session } from "./session.ts";
import { Settling } from "./settling.ts";
import { Topology } from "./topology.ts";

const CLOSE_MS = 2_000;

/** Everything of a driver that was opened: two connections, made when they are needed, and what works on them. */
export class OpenBroker {
  readonly names: Names;
  readonly topology: Topology;
  readonly settling: Settling;
  readonly #settings: Settings;
  readonly #context: DriverContext;
  readonly #closing = new AbortController();
  readonly #publisher: Link<AmqpConfirmChannel>;
  readonly #consumer: Link;
  readonly #office: PostOffice;
  readonly #reserving: Reserving;
  readonly #reserves = new Set<Promise<unknown>>();
  /** Part of every token: no other driver has it. */
  readonly #instance = crypto.randomUUID();
  readonly #limit: MessageLimit;
  readonly #second: SecondStore | undefined;
  #session: Session | undefined;
  #pushing: Pushing | undefined;
  #maxDelayMs = 0;

  constructor(settings: Settings, context: DriverContext, second: SecondStore | undefined) {
    const { clock } = context;
    this.#limit = new MessageLimit(clock);
    this.#second = second;
    this.#settings = settings;
    this.#context = context;
    this.names = new Names(settings.prefix);
    this.#publisher = new Link(
      settings,
      clock,
      (client) => client.createConfirmChannel(),
      () => this.topology.forget(),
    );
    this.#consumer = new Link(
      settings,
      clock,
      (client) => client.createChannel(),
      (connection) => this.#begin(connection),
    );
    const publishing = new Publishing(this.#publisher, this.#limit, () => this.topology.forget());
    this.topology = new Topology(this.names, clock, settings.settleMs, publishing, this.#closing.signal);
    this.#office = new PostOffice(this.#publisher, this.names, this.topology, publishing, this.#limit, second);
    this.settling = new Settling(
      clock,
      this.#office,
      () => this.#living,
      () => this.#maxDelayMs,
    );
    this.#reserving = new Reserving({
      ...{ clock, names: this.names, topology: this.topology, link: this.#consumer },
      session: this.session,
      closing: this.#closing.signal,
    });
  }

  async open(): Promise<Capabilities> {
    const { server } = await this.#firstConnection();
    const capabilities = capabilitiesOf(server, this.#settings, await this.#second?.open());
    this.#maxDelayMs = capabilities.delay.maxMs;
    this.#pushing = new Pushing(this.#context.clock, this.#office, capabilities, this.#limit);
    return capabilities;
  }

  async #firstConnection(): Promise<Connection<AmqpConfirmChannel>> {
    try {
      return await this.#publisher.get();
    } catch (error) {
      const { url, place } = this.#settings;
      if (url === undefined || place === undefined) throw error;
      const found = await wantsTls(error, new URL(url), place);
      if (found === undefined) throw error;
      throw new JobferryError(found.code, found.message ?? "", { cause: error });
    }
  }

  /** @throws NOT_OPEN when open() has failed. */
  get pushing(): Pushing {
    return this.#pushing ?? neverOpened();
  }

  /** Jobs that come back from the second store, now or at their time. */
  readonly putBack = async (kept: readonly KeptJob[]): Promise<readonly boolean[]> => {
    const now = this.#context.clock.now();
    const postings = kept.map(({ job, maxLosses }): Posting => {
      const availableAt = Math.max(now, job.availableAt);
      const { envelope, payload } = job;
      return {
        parcel: { fields: { ...job, maxLosses, availableAt }, envelope, payload },
        to: "jobs",
        delayMs: availableAt - now,
      };
    });
    const results = await this.#office.post(postings);
    const refusal = results.find((result) => typeof result === "object");
    if (refusal !== undefined && !results.includes("confirmed")) throw refusal.error;
    return results.map((result) => result === "confirmed");
  };

  /** How long a job must stay in the second store until the ladder can hold the rest of its delay. */
  stayMs({ availableAt }: StoredJob): number {
    const delayMs = availableAt - this.#context.clock.now();
    return delayMs > MAX_DELAY_MS ? delayMs - AHEAD_MS : 0;
  }

  /** The connection for questions: never the one that publishes, which a server with an alarm does not read. */
  readonly control = (): Promise<Connection> => this.#consumer.get();

  /** What the consuming connection holds: there after `control` has resolved. */
  readonly session = (): Session => this.#session ?? neverOpened();

  get clock(): Clock {
    return this.#context.clock;
  }

  reserve(request: ReserveRequest): Promise<ReserveResult> {
    const reserving = this.#reserving.reserve(request);
    this.#reserves.add(reserving);
    const ended = (): void => void this.#reserves.delete(reserving);
    reserving.then(ended, ended);
    return reserving;
  }

  #begin(connection: Connection): void {
    const { clock, logger } = this.#context;
    this.topology.forget();
    this.#session = new Session(connection, this.#instance, this.#office, clock, logger);
  }

  get #living(): Session | undefined {
    return this.#session?.connection.isLost === false ? this.#session : undefined;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await settledWithin(this.#context.clock, Promise.allSettled(this.#reserves), CLOSE_MS);
    const session = this.#session;
    if (session !== undefined && !(await session.handsFree())) {
      // Copies wait for a server that takes none: with their connection they are over, and what was confirmed before must be acknowledged.
      this.#publisher.current?.lose(closedError("RabbitMQ driver"));
      await session.movesOver();
    }
    await Promise.all([this.#publisher.close(), this.#consumer.close()]);
  }
}

function neverOpened(): never {
  throw notOpenError("RabbitMQ driver");
}
