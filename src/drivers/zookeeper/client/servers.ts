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

type Own = Pick<ConnectionPlan, "timeoutMs" | "mostBytes">;

/** What a failed server says is worth more, the less it may be a passing thing. */
const GRAVEST = ["foreign", "tlsWanted", "tls", "lost", "refused"];

/** The servers of one ensemble, as one client sees them. Each new connection begins where the last one worked, and goes on with the next. */
export class Servers {
  readonly limit: RequestLimit;
  readonly #plan: ServersPlan;
  #at: number;
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
    const { addresses, clock, connectMs, login } = this.#plan;
    const until = clock.monotonic() + withinMs;
    const failures: ZookeeperError[] = [];
    for (let tries = 0; tries < addresses.length; tries += 1) {
      const left = until - clock.monotonic();
      const address = addresses[this.#at % addresses.length];
      if (left <= 0 || address === undefined) break;
      // One that hangs must leave time for the others.
      const share = left / (addresses.length - tries);
      try {
        const how = { session, timeoutMs, signal, connectMs: Math.min(connectMs, share) };
        const connection = await this.#connect(address, { ...how, mostBytes: () => this.limit.bytes });
        return await this.#loggedIn(connection, login);
      } catch (error) {
        if (!(error instanceof ZookeeperError) || isKind(error, "expired", "closed", "answer")) throw error;
        failures.push(error);
        this.#at += 1;
      }
    }
    throw gravest(failures, this.shown);
  }

  /** The next attachment begins with another one. */
  turnAway(): void {
    this.#at += 1;
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
