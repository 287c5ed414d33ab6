import type { Clock } from "../../contract/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { closedError } from "../shared/life-cycle.ts";
import type { PostgresClient, PostgresPool, PostgresQuery } from "./client.ts";
import { AnswerLost, breaksConnection, isPreparedElsewhere, mayBeDone } from "./errors.ts";
import type { Settings } from "./options.ts";

export type Row = readonly (string | null)[];

/** A statement with its name, under which each connection prepares it once. */
export type Statement = Readonly<{ name: string; text: string }>;

type PgModule = Readonly<{ Pool: new (options: Readonly<Record<string, unknown>>) => PostgresPool }>;

/** Everything as the server sent it: what a column is, its reader knows. `pg`'s own parsers took a third of a claim. */
const AS_SENT = { getTypeParser: () => (value: string) => value };
const ignore = ((): void => undefined) as never;
/** Those that have a listener, whichever queue on their pool took them first. */
const watched = new WeakSet<PostgresClient>();
/** At once: the pool's own listener goes when it hands the connection out, and in the same breath the server may end it. */
const watch = (client: PostgresClient): void => {
  if (watched.has(client)) return;
  watched.add(client);
  client.on("error", ignore);
};

/**
 * The pool: hands out connections, bounds what nobody answers, and throws away what broke. Lost connections end here and nowhere else: each
 * has an `error` listener, without which `pg` ends the process.
 */
export class Connections {
  readonly #pool: PostgresPool;
  readonly #owned: boolean;
  readonly clock: Clock;
  readonly #connectMs: number;
  readonly callMs: number;
  /** Calls that wait for a connection. */
  readonly #waiting = new Set<(error: Error) => void>();
  #closed = false;
  /** false once a proxy showed that a prepared statement may not be where the next call is. */
  #prepares = true;

  private constructor(pool: PostgresPool, clock: Clock, { client, connectMs, callMs }: Settings) {
    this.#pool = pool;
    this.#owned = client === undefined;
    this.clock = clock;
    this.#connectMs = connectMs;
    this.callMs = callMs;
    pool.on("error", ignore);
    pool.on("acquire", watch as never);
  }

  /** Makes no connection yet. @throws CLIENT_MISSING */
  static async make(settings: Settings, clock: Clock): Promise<Connections> {
    if (settings.client !== undefined) return new Connections(settings.client, clock, settings);
    const { Pool } = await loadPg();
    const { url, connection, connectMs } = settings;
    const pool = new Pool({
      max: 10,
      keepAlive: true,
      application_name: "jobferry",
      ...(url === undefined ? {} : { connectionString: url }),
      ...connection,
      connectionTimeoutMillis: connectMs,
    });
    return new Connections(pool, clock, settings);
  }

  /** Most connections at once, as far as the pool says so. */
  get most(): number {
    const { options } = this.#pool as { readonly options?: Readonly<{ max?: unknown }> };
    return typeof options?.max === "number" ? options.max : Infinity;
  }

  /**
   * One statement, one round trip. Throws the client's error when nothing was sent or the server refused it, `AnswerLost` when it may have
   * been done.
   */
  async query({ name, text }: Statement, values: unknown[] = []): Promise<readonly Row[]> {
    const client = await this.connect();
    let broken = false;
    try {
      return await this.#send(client, name, text, values);
    } catch (error) {
      broken = breaksConnection(error);
      throw mayBeDone(error) ? new AnswerLost("the connection broke before the answer came", { cause: error }) : error;
    } finally {
      client.release(broken);
    }
  }

  async #send(client: PostgresClient, name: string, text: string, values: unknown[]): Promise<readonly Row[]> {
    const query: PostgresQuery = { text, values, rowMode: "array", types: AS_SENT };
    if (!this.#prepares) return this.answer(client, query);
    try {
      return await this.answer(client, { ...query, name });
    } catch (error) {
      // Refused before it was executed.
      if (!isPreparedElsewhere(error)) throw error;
      this.#prepares = false;
      return this.answer(client, query);
    }
  }

  /** What the server answers within `callTimeout`. */
  answer(client: PostgresClient, query: PostgresQuery): Promise<readonly Row[]> {
    return new Promise((resolve, reject) => {
      const timer = this.clock.timer(this.callMs, () => reject(new AnswerLost(`no answer within ${this.callMs} ms`)), {
        keepAlive: false,
      });
      client.query(query as never).then(
        ({ rows }) => {
          timer.cancel();
          resolve(rows as readonly Row[]);
        },
        (error: unknown) => {
          timer.cancel();
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }

  /** A connection of one's own, to be released. Bounded also where the pool is the caller's and has no limit. */
  connect(): Promise<PostgresClient> {
    if (this.#closed) return Promise.reject(closedError("PostgreSQL driver"));
    return new Promise((resolve, reject) => {
      let late = false;
      const giveUp = (error: Error): void => {
        end();
        late = true;
        reject(error);
      };
      const end = (): void => {
        timer?.cancel();
        this.#waiting.delete(giveUp);
      };
      const timer = this.#owned
        ? undefined
        : this.clock.timer(this.#connectMs, () => giveUp(new Error("timeout exceeded when trying to connect")));
      this.#waiting.add(giveUp);
      this.#pool.connect().then(
        (client) => {
          end();
          watch(client); // where a pool of another kind says nothing of it
          if (late) client.release();
          else resolve(client);
        },
        (error: unknown) => {
          end();
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }

  /** Who waits for a connection gets CLOSED; who has one keeps it until its call ends. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const giveUp of this.#waiting) giveUp(closedError("PostgreSQL driver"));
    // Where it is ours the listener stays: `end()` resolves before its connections have ended, and what the server still tells one of them
    // (57P01, when it ends meanwhile) must not end the process.
    if (this.#owned) await this.#pool.end();
    else {
      this.#pool.removeListener("error", ignore);
      this.#pool.removeListener("acquire", watch as never);
    }
  }
}

async function loadPg(): Promise<PgModule> {
  try {
    const module: unknown = await import("pg");
    return ((module as { readonly default?: unknown }).default ?? module) as PgModule;
  } catch (cause) {
    throw new JobferryError(
      "CLIENT_MISSING",
      'PostgreSQL queues need the package "pg", version 8 or newer: npm install pg',
      { cause },
    );
  }
}
