import type { Capabilities, DriverContext, FinishItem, ReserveRequest, ReserveResult } from "../../contract/index.ts";
import { DiedJobs } from "../shared/died-jobs.ts";
import { type Kept, keptUnder } from "../shared/retention.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { claimed, claimValues } from "./claim.ts";
import { Connections } from "./connections.ts";
import type { Row } from "./connections.ts";
import { finishValues } from "./finish-jobs.ts";
import { checkLayout, migrate } from "./migrations.ts";
import { Announcements, channelOf, Listener } from "./notifications.ts";
import type { Settings } from "./options.ts";
import { checkServer } from "./server-check.ts";
import type { Server } from "./server-check.ts";
import { statementsFor } from "./statements.ts";
import type { Statements } from "./statements.ts";
import { quoted, textOf } from "./text.ts";
import { WaitingReserves } from "./waiting-reserves.ts";

/** How often a consumer looks when notifications are kept from it, by a proxy or by too small a pool. */
const DEAF_POLL_MS = 200;
/** One that listens, and one for calls. */
const LEAST_TO_LISTEN = 2;
/** The first version whose VACUUM starts helpers. */
const PARALLEL_VACUUM = 130_000;
/** And one that a vacuum may hold for minutes. */
const LEAST_TO_VACUUM = 3;

/** Everything that is there between `open` and `close`. */
export class OpenStore {
  readonly context: DriverContext;
  readonly connections: Connections;
  readonly statements: Statements;
  readonly waiting: WaitingReserves;
  readonly channel: string;
  readonly kept: Kept;
  /** Of releases; the next reserve or maintain reports them. */
  readonly died: DiedJobs = new DiedJobs();
  readonly #settings: Settings;
  readonly #waking: Pick<Settings, "notify" | "pollMs">;
  readonly #server: Server;
  readonly #announcements: Announcements | undefined;
  readonly #listener: Listener | undefined;
  /** Gives up the vacuum under way. */
  #stopVacuum: (() => void) | undefined;

  private constructor(settings: Settings, context: DriverContext, connections: Connections, server: Server) {
    const { schema, notify, pollMs } = settings;
    const { clock, logger } = context;
    this.#settings = settings;
    const listens = notify && connections.most >= LEAST_TO_LISTEN;
    this.#waking = { notify: listens, pollMs: notify && !listens ? Math.min(pollMs, DEAF_POLL_MS) : pollMs };
    this.#server = server;
    this.context = context;
    this.kept = keptUnder(context.retention);
    this.connections = connections;
    this.statements = statementsFor(schema);
    this.channel = channelOf(schema);
    const tag = crypto.randomUUID().slice(0, 8);
    if (notify) {
      this.#announcements = new Announcements(connections, this.statements.notify, this.channel, clock, tag);
    }
    if (listens) this.#listener = this.#listen(tag, pollMs);
    if (notify && !listens) {
      logger.warn(
        { max: connections.most },
        "The pool has a single connection, so none can listen: consumers poll. Give it more (`max`), or set `notify: false` to say that this is meant.",
      );
    }
    this.waiting = new WaitingReserves(
      clock,
      this.#waking.pollMs,
      { claim: (request) => this.claim(request), handBack: (result) => this.#handBack(result) },
      this.#listener,
    );
  }

  #listen(tag: string, pollMs: number): Listener {
    const { clock, logger } = this.context;
    const place = { channel: this.channel, tag, clock, logger };
    return new Listener(this.connections, this.statements.notify, place, {
      queue: (name) => (name === "" ? this.waiting.look() : this.waiting.wake(name, 1)),
      anything: () => this.waiting.look(),
      deaf: () => {
        this.waiting.pollMs = Math.min(pollMs, DEAF_POLL_MS);
        this.waiting.look();
      },
    });
  }

  /** Leaves nothing open when it fails. */
  static async open(settings: Settings, context: DriverContext, label: string): Promise<OpenStore> {
    const connections = await Connections.make(settings, context.clock);
    try {
      const server = await checkServer(connections, label);
      if (settings.migrate) await migrate(connections, settings.schema);
      else await checkLayout(connections, settings.schema);
      return new OpenStore(settings, context, connections, server);
    } catch (error) {
      await connections.close();
      throw error;
    }
  }

  get capabilities(): Capabilities {
    return capabilitiesOf({ durability: this.#server.durability, ...this.#waking });
  }

  query(name: keyof Statements, values: unknown[]): Promise<readonly Row[]> {
    return this.connections.query(this.statements[name], values);
  }

  async claim(request: ReserveRequest): Promise<ReserveResult> {
    const claimedAt = this.context.clock.monotonic();
    const rows = await this.query("claim", claimValues(request));
    const result = claimed(rows, request, claimedAt);
    return this.died.reportIn(result);
  }

  async #handBack({ reservations, died }: ReserveResult): Promise<void> {
    this.died.add(died);
    if (reservations.length === 0) return;
    const items = reservations.map((reservation): FinishItem => ({
      reservation,
      outcome: "release",
      delayMs: 0,
      refund: true,
    }));
    // What fails here comes back when the leases end.
    await this.query("finish", finishValues(items, { completed: false, failed: true })).catch(() => undefined);
    for (const queue of new Set(reservations.map(({ job }) => job.queue))) this.wake(queue, reservations.length);
  }

  /** `jobs` became pending: consumers here look at once, others are told. */
  wake(queue: string, jobs: number): void {
    this.waiting.wake(queue, jobs);
    this.#announcements?.announce(queue);
  }

  /** A job was delayed, which may be due before what consumers wait for. */
  delayed(queue: string): void {
    this.waiting.look();
    this.#announcements?.announce(queue);
  }

  async queueNames(): Promise<readonly Readonly<{ id: number; name: string }>[]> {
    const rows = await this.query("queues", []);
    return rows.map(([id, name]) => ({ id: Number(id), name: textOf(name ?? "") }));
  }

  /** One at a time, beside everything else: nobody waits for it. */
  vacuum(): void {
    if (this.#stopVacuum !== undefined || this.connections.most < LEAST_TO_VACUUM) return;
    this.#stopVacuum = () => undefined;
    void this.#sweep().finally(() => (this.#stopVacuum = undefined));
  }

  async #sweep(): Promise<void> {
    const client = await this.connections.connect().catch(() => undefined);
    if (client === undefined) return;
    // Helpers for the indexes would take the processors from the queue's own calls.
    const options = this.#server.version >= PARALLEL_VACUUM ? "SKIP_LOCKED, PARALLEL 0" : "SKIP_LOCKED";
    const text = `VACUUM (${options}) ${quoted(this.#settings.schema)}.jobs`;
    const failed = await new Promise<boolean>((resolve) => {
      this.#stopVacuum = () => resolve(true);
      client.query({ text } as never).then(
        () => resolve(false),
        () => resolve(true),
      );
    });
    client.release(failed);
  }

  async close(): Promise<void> {
    await this.waiting.close();
    await this.#listener?.close();
    await this.#announcements?.close();
    this.#stopVacuum?.();
    await this.connections.close();
  }
}
