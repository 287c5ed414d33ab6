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

/**
 * Patience with a server that gave no answer the last time, twice as long each time, where another one answers but does not serve yet: those are
 * electing a leader, and are worth asking again soon.
 */
const SILENT_MS = 250;
/** Timers may fire so much before their time. */
const EARLY_MS = 2;

type Own = Pick<ConnectionPlan, "timeoutMs" | "mostBytes">;

/** What a failed server says is worth more, the less it may be a passing thing. */
const GRAVEST = ["foreign", "tlsWanted", "tls", "lost", "refused"];

/**
 * The servers of one ensemble, as one client sees them. Each new connection begins where the last one worked, and goes on with the next; those that
 * gave no answer the last time come last.
 */
export class Servers {
  readonly limit: RequestLimit;
  readonly #plan: ServersPlan;
  #at: number;
  /** By place in the list: how long it may be silent the next time. */
  readonly #silentMs = new Map<number, number>();
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
    let isOneThere = false;
    const order = this.#order();
    for (const [tries, { place, address }] of order.entries()) {
      const begun = clock.monotonic();
      if (begun >= until) break;
      // One that hangs must leave time for the others.
      const share = (until - begun) / (order.length - tries);
      const patience = Math.min(connectMs, share, (isOneThere && this.#silentMs.get(place)) || Infinity);
      try {
        const how = { session, timeoutMs, signal, connectMs: patience };
        const connection = await this.#connect(address, { ...how, mostBytes: () => this.limit.bytes });
        this.#answered(place);
        return await this.#loggedIn(connection, login);
      } catch (error) {
        if (!(error instanceof ZookeeperError) || isKind(error, "expired", "closed", "answer")) throw error;
        failures.push(error);
        const isSilent = clock.monotonic() - begun > patience - EARLY_MS;
        this.#failed(place, isSilent);
        isOneThere ||= !isSilent;
      }
    }
    throw gravest(failures, this.shown);
  }

  #order(): readonly Readonly<{ place: number; address: Address }>[] {
    const all = this.#plan.addresses.map((address, place) => ({ place, address }));
    const ring = [...all.slice(this.#at), ...all.slice(0, this.#at)];
    const isSilent = ({ place }: Readonly<{ place: number }>): boolean => this.#silentMs.has(place);
    return [...ring.filter((one) => !isSilent(one)), ...ring.filter(isSilent)];
  }

  #answered(place: number): void {
    this.#at = place;
    this.#silentMs.delete(place);
  }

  #failed(place: number, isSilent: boolean): void {
    if (this.#at === place) this.#at = (place + 1) % this.#plan.addresses.length;
    if (isSilent) this.#silentMs.set(place, Math.max(SILENT_MS, 2 * (this.#silentMs.get(place) ?? 0)));
  }

  #connect(address: Address, how: Partial<ConnectionPlan> & Own): Promise<Connection> {
    const { clock, connectMs, callMs, tls } = this.#plan;
    const plan = { address, tls, clock, callMs, connectMs, session: undefined, lastZxid: this.#lastZxid };
    return Connection.open({ ...plan, ...how });
  }

  async #loggedIn(connection: Connection, login: Login | undefined): Promise<Connection> {
    if (login === undefined) return connection;
    try {
      await logIn(connection, login);
      return connection;
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
