import type { ConnectionOptions } from "node:tls";
import type { Clock } from "../../../contract/index.ts";
import { logIn, type Login } from "./authentication.ts";
import { Connection, type Address, type ConnectionPlan, type Session } from "./connection.ts";
import { RequestLimit } from "./request-limit.ts";
import { isKind, ZookeeperError } from "./zookeeper-error.ts";

export type ServersPlan = Readonly<{
  addresses: readonly Address[];
  tls: ConnectionOptions | undefined;
  login: Login | undefined;
  clock: Clock;
  connectMs: number;
  callMs: number;
  maxRequestBytes: number;
}>;

export type Attachment = Readonly<{
  timeoutMs: number;
  session?: Session | undefined;
  withinMs: number;
  signal?: AbortSignal;
}>;

/** Of a connection that asks for one thing. */
const QUESTION_SESSION_MS = 4_000;

/** For so long a server that gave no answer in its time is taken for one that hangs. */
const HANGS_FOR_MS = 5_000;
/** What such a one gets where another one hangs up, as those do that elect a leader: they are worth asking again soon. */
const SHORT_MS = 250;
/** Timers may fire so much before their time. */
const EARLY_MS = 2;

type Own = Pick<ConnectionPlan, "timeoutMs" | "mostBytes">;

/** What a failed server says is worth more, the less it may be a passing thing. */
const GRAVEST = ["foreign", "tlsWanted", "tls", "lost", "refused"];

/**
 * The servers of one ensemble, as one client sees them. Each new connection begins where the last one worked, and goes on with the next; those that
 * gave no answer lately come last.
 */
export class Servers {
  readonly limit: RequestLimit;
  readonly #plan: ServersPlan;
  #at: number;
  /** By place in the list: when it last gave no answer in its whole time. */
  readonly #silentAt = new Map<number, number>();
  #lastZxid = 0n;

  constructor(plan: ServersPlan) {
    this.#plan = plan;
    this.limit = new RequestLimit({
      clock: plan.clock,
      most: plan.maxRequestBytes,
      connect: (address, signal) =>
        this.#connect(address, { signal, timeoutMs: QUESTION_SESSION_MS, mostBytes: () => Infinity }),
    });
    // Clients that start together spread over the servers.
    this.#at = Math.floor(plan.clock.random() * plan.addresses.length);
  }

  get shown(): string {
    return this.#plan.addresses.map(({ host, port }) => `${host}:${port}`).join(", ");
  }

  /** How far this client has seen: a server behind it is not taken, so that nothing is ever older than before. */
  saw(zxid: bigint): void {
    if (zxid > this.#lastZxid) this.#lastZxid = zxid;
  }

  /**
   * A connection to the first server that takes the session, logged in. Every server is tried once.
   * @throws a ZookeeperError: `expired` for good; an answer for a login that is refused; else why no server could be had.
   */
  async attach({ timeoutMs, session, withinMs, signal }: Attachment): Promise<Connection> {
    const { clock, connectMs, login } = this.#plan;
    const until = clock.monotonic() + withinMs;
    const failures: ZookeeperError[] = [];
    const order = this.#order();
    for (const [tries, { place, address }] of order.entries()) {
      const begun = clock.monotonic();
      if (begun >= until) break;
      // One that hangs must leave time for the others.
      const share = (until - begun) / (order.length - tries);
      const isShort = this.#hangs(place) && failures.some(({ hungUp }) => hungUp);
      const patience = Math.min(connectMs, share, isShort ? SHORT_MS : Infinity);
      try {
        const how = { session, timeoutMs, signal, connectMs: patience };
        const connection = await this.#connect(address, { ...how, mostBytes: () => this.limit.bytes });
        await this.#logIn(connection, login);
        this.#answered(place);
        return connection;
      } catch (error) {
        if (!(error instanceof ZookeeperError) || isKind(error, "expired", "closed", "answer")) throw error;
        failures.push(error);
        this.#failed(place);
        const isSilent = clock.monotonic() - begun > patience - EARLY_MS;
        if (!isSilent) this.#silentAt.delete(place);
        else if (!isShort) this.#silentAt.set(place, clock.monotonic());
      }
    }
    throw gravest(failures, this.shown);
  }

  #order(): readonly Readonly<{ place: number; address: Address }>[] {
    const all = this.#plan.addresses.map((address, place) => ({ place, address }));
    const ring = [...all.slice(this.#at), ...all.slice(0, this.#at)];
    return [...ring.filter(({ place }) => !this.#hangs(place)), ...ring.filter(({ place }) => this.#hangs(place))];
  }

  #hangs(place: number): boolean {
    return this.#plan.clock.monotonic() - (this.#silentAt.get(place) ?? -Infinity) < HANGS_FOR_MS;
  }

  #answered(place: number): void {
    this.#at = place;
    this.#silentAt.delete(place);
  }

  #failed(place: number): void {
    if (this.#at === place) this.#at = (place + 1) % this.#plan.addresses.length;
  }

  #connect(address: Address, how: Partial<ConnectionPlan> & Own): Promise<Connection> {
    const { clock, connectMs, callMs, tls } = this.#plan;
    const plan = { address, tls, clock, callMs, connectMs, session: undefined, lastZxid: this.#lastZxid };
    return Connection.open({ ...plan, ...how });
  }

  async #logIn(connection: Connection, login: Login | undefined): Promise<void> {
    if (login === undefined) return;
    try {
      await logIn(connection, login);
    } catch (error) {
      connection.destroy("The login failed.");
      throw error;
    }
  }
}

function gravest(failures: readonly ZookeeperError[], shown: string): ZookeeperError {
  const [worst] = failures.toSorted((a, b) => GRAVEST.indexOf(a.kind) - GRAVEST.indexOf(b.kind));
  if (worst === undefined) return new ZookeeperError("refused", `There was no time left to connect to ${shown}.`);
  // They speak for themselves.
  if (worst.kind === "tls" || worst.kind === "tlsWanted") return worst;
  // Nothing was done for the caller yet, whatever happened to the connection.
  const kind = worst.kind === "lost" ? "refused" : worst.kind;
  return new ZookeeperError(kind, `No server of ${shown} could be had. ${worst.message}`);
}
