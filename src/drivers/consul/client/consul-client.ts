import type { Clock } from "../../../contract/index.ts";
import { JobferryError } from "../../../errors/index.ts";
import type { Address, Endpoint } from "./address.ts";
import { Foreign, NoAnswer, Refusal } from "./consul-errors.ts";
import { HttpLine } from "./http-line.ts";
import type { ConsulTls, HttpReply } from "./http-line.ts";

export type ConsulClientOptions = Readonly<{
  address: Pick<Address, "endpoints">;
  token: string | undefined;
  tls: ConsulTls | undefined;
  callMs: number;
  clock: Clock;
}>;

/** `index`: of what was asked for, as Consul counts. `text`: of a 404, which is no JSON. */
export type Reply = Readonly<{ status: number; index: string | undefined; json: unknown; text: string }>;

type Ask = Readonly<{
  method: "GET" | "PUT";
  path: string;
  body?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Answers beside 200 that tell something. */
  alsoFine?: readonly number[];
}>;

/** Of ordinary calls, to one endpoint. Consul takes 200 connections of one address by default (http_max_conns_per_client). */
const SOCKETS = 16;
/** Calls that are under way or wait for a connection. What comes then would end late anyway. */
const MAX_CALLS = 2_000;
const MAX_CALL_BYTES = 64 * 1_048_576;

/**
 * A client of Consul's HTTP interface over one or several agents or servers of a datacenter. It speaks with one endpoint until there is trouble
 * with it, then with the next. What surely was not sent is sent to the next at once; anything else is the caller's, who alone knows whether to
 * repeat it.
 *
 * A blocking query says nothing while its server hangs. So trouble with any call ends all of them: whoever waits asks anew, elsewhere.
 */
export class ConsulClient {
  readonly #endpoints: readonly Endpoint[];
  readonly #headers: Readonly<Record<string, string>>;
  readonly #callMs: number;
  readonly #calls: HttpLine;
  readonly #waits: HttpLine;
  readonly #closed = new AbortController();
  #doubt = new AbortController();
  #current = 0;
  #underWay = 0;
  #bytesUnderWay = 0;

  constructor({ address, token, tls, callMs, clock }: ConsulClientOptions) {
    this.#endpoints = address.endpoints;
    this.#headers = token === undefined ? {} : { "X-Consul-Token": token };
    this.#callMs = callMs;
    this.#calls = new HttpLine(clock, tls, SOCKETS);
    this.#waits = new HttpLine(clock, tls, Infinity);
  }

  /** @throws NoAnswer, Refusal, Foreign; UNAVAILABLE beyond what may be under way. */
  async call(ask: Ask): Promise<Reply> {
    const bytes = ask.body?.length ?? 0;
    if (this.#underWay >= MAX_CALLS || this.#bytesUnderWay + bytes > MAX_CALL_BYTES)
      throw new JobferryError("UNAVAILABLE", "More calls to Consul are under way than it can answer. Try again.", {
        retryable: true,
      });
    this.#underWay += 1;
    this.#bytesUnderWay += bytes;
    try {
      return await this.#call(ask);
    } finally {
      this.#underWay -= 1;
      this.#bytesUnderWay -= bytes;
    }
  }

  async #call(ask: Ask): Promise<Reply> {
    for (let left = this.#endpoints.length; ; left -= 1) {
      const at = this.#current;
      try {
        return await this.#ask(this.#calls, at, ask, this.#callMs, this.#signals(ask));
      } catch (error) {
        const isUnsent = error instanceof NoAnswer && !error.isSent && !error.isLate;
        if (left <= 1 || !isUnsent || this.#closed.signal.aborted) throw error;
      }
    }
  }

  /** A GET that the server may keep for `waitMs`. @throws as `call`. */
  async wait(ask: Ask, waitMs: number): Promise<Reply> {
    // The server adds up to a sixteenth, so that not all come back at once.
    const withinMs = waitMs + waitMs / 16 + this.#callMs;
    return this.#ask(this.#waits, this.#current, ask, withinMs, this.#signals(ask, this.#doubt.signal));
  }

  /** Ends what is under way. Leaves no connection. */
  close(): void {
    this.#closed.abort();
    this.#calls.close();
    this.#waits.close();
  }

  #signals({ signal }: Ask, ...more: readonly AbortSignal[]): AbortSignal {
    const all = [this.#closed.signal, ...more, ...(signal === undefined ? [] : [signal])];
    return all.length === 1 ? this.#closed.signal : AbortSignal.any(all);
  }

  async #ask(line: HttpLine, at: number, ask: Ask, withinMs: number, signal: AbortSignal): Promise<Reply> {
    const endpoint = this.#endpoints[at];
    if (endpoint === undefined) throw new NoAnswer("no endpoint", { isSent: false });
    const { method, path, body, alsoFine = [] } = ask;
    try {
      const reply = await line.send(endpoint, { method, path, body, headers: this.#headers, withinMs, signal });
      if (reply.status === 200 || alsoFine.includes(reply.status)) return readReply(reply);
      throw new Refusal(reply.status, reply.body.toString("utf8", 0, 2_000));
    } catch (error) {
      const isTrouble = error instanceof NoAnswer || (error instanceof Refusal && error.isLeaderless);
      if (isTrouble && !signal.aborted) this.#leave(at);
      throw error;
    }
  }

  /** Calls that fail together leave an endpoint once. */
  #leave(at: number): void {
    if (at !== this.#current) return;
    this.#current = (at + 1) % this.#endpoints.length;
    this.#calls.forgetIdle();
    this.#waits.forgetIdle();
    const doubt = this.#doubt;
    this.#doubt = new AbortController();
    doubt.abort(new NoAnswer("there is trouble with another call", { isSent: true }));
  }
}

function readReply({ status, headers, body }: HttpReply): Reply {
  const index = headers["x-consul-index"];
  const isText = status === 404;
  return {
    status,
    index: typeof index === "string" ? index : undefined,
    json: isText ? undefined : parsed(body),
    text: isText ? body.toString("utf8", 0, 200) : "",
  };
}

function parsed(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString("utf8")) as unknown;
  } catch (cause) {
    throw new Foreign("an answer that is no JSON", { cause });
  }
}
