import type {
  Capabilities,
  DriverContext,
  FinishItem,
  ReserveRequest,
  ReserveResult,
  StoredJob,
} from "../../contract/index.ts";
import { MAX_DURATION_MS } from "../../runtime/index.ts";
import { claimed, claimValues } from "./claim.ts";
import { Connections } from "./connections.ts";
import type { Row } from "./connections.ts";
import { finishValues } from "./finish-jobs.ts";
import { MAX_BATCH_BYTES, MAX_PAYLOAD_BYTES, MAX_PRIORITY, MAX_ROWS } from "./limits.ts";
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
  readonly #settings: Settings;
  readonly #waking: Pick<Settings, "notify" | "pollMs">;
  readonly #server: Server;
  readonly #announcements: Announcements | undefined;
  readonly #listener: Listener | undefined;
  /** Jobs that a release failed for good; the next reserve or maintain reports them. */
  #died: StoredJob[] = [];
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
    this.connections = connections;
    this.statements = statementsFor(schema);
    this.channel = channelOf(schema);
    const tag = crypto.randomUUID().slice(0, 8);
    const { notify: statement } = this.statements;
    if (notify) {
      this.#announcements = new Announcements(connections, statement, this.channel, clock, tag);
    }
    if (listens) {
      this.#listener = new Listener(
        connections,
        statement,
        { channel: this.channel, tag, clock, logger },
        {
          queue: (name) => (name === "" ? this.waiting.look() : this.waiting.wake(name, 1)),
          anything: () => this.waiting.look(),
          deaf: () => {
            this.waiting.pollMs = Math.min(pollMs, DEAF_POLL_MS);
            this.waiting.look();
          },
        },
      );
    }
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
    return this.#died.length === 0 ? result : { ...result, died: [...this.takeDied(), ...result.died] };
  }

  async #handBack({ reservations, died }: ReserveResult): Promise<void> {
    this.#died.push(...died);
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

  keepDied(jobs: readonly StoredJob[]): void {
    this.#died.push(...jobs);
  }

  takeDied(): readonly StoredJob[] {
    const died = this.#died;
    this.#died = [];
    return died;
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

export function capabilitiesOf({
  durability,
  notify,
  pollMs,
}: Pick<Capabilities, "durability"> & Pick<Settings, "notify" | "pollMs">): Capabilities {
  return {
    durability,
    shared: true,
    pushById: true,
    attempts: "exact",
    finish: durability === "process" ? "sent" : "confirmed",
    release: "native",
    refund: true,
    priority: { support: "native", order: "strict", min: -MAX_PRIORITY, max: MAX_PRIORITY },
    fifo: true,
    delay: { support: "native", precisionMs: notify ? 100 : 100 + pollMs, maxMs: MAX_DURATION_MS },
    lease: { ends: "deadline", grainMs: 50, minMs: 1, extend: "native" },
    batch: { atomic: MAX_ROWS, maxItems: MAX_ROWS, maxBytes: MAX_BATCH_BYTES },
    payload: { maxBytes: MAX_PAYLOAD_BYTES },
    wakeup: { kind: notify ? "notify" : "poll", pollMs },
    pause: { support: "native", lagMs: 0 },
    clear: { support: "native", counts: true },
    stats: { pending: "exact", delayed: "exact", reserved: "exact", failed: "exact", completed: "exact" },
    records: true,
    failedJobs: true,
    transactions: true,
    coordination: true,
  };
}
