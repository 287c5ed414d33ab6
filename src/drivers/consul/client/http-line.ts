import { Agent as HttpAgent, request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Clock } from "../../../contract/index.ts";
import type { Endpoint } from "./address.ts";
import { Foreign, NoAnswer } from "./consul-errors.ts";

/** Contents of PEM files, as `node:tls` takes them. */
export type ConsulTls = Readonly<{
  /** The authority that signed the servers' certificates. Default: those that Node.js trusts. */
  ca?: string | Uint8Array | readonly (string | Uint8Array)[];
  /** The client's own certificate and key, for servers that ask for one. */
  cert?: string | Uint8Array;
  key?: string | Uint8Array;
  passphrase?: string;
  /** The name in the servers' certificates where it is not the host of the address, e.g. "server.dc1.consul". */
  serverName?: string;
}>;

export type HttpRequest = Readonly<{
  method: "GET" | "PUT";
  path: string;
  headers: Readonly<Record<string, string>>;
  body?: string | undefined;
  withinMs: number;
  signal?: AbortSignal | undefined;
}>;

export type HttpReply = Readonly<{ status: number; headers: IncomingMessage["headers"]; body: Buffer }>;

const MAX_REPLY_BYTES = 64 * 1_048_576;

/**
 * Requests over connections that are kept, to any endpoint. `node:http` and not `fetch`, which takes no certificates and costs twice the time of
 * the processor (docs/adr/0125).
 */
export class HttpLine {
  readonly #clock: Clock;
  readonly #agent: HttpAgent;
  readonly #tls: RequestOptions | undefined;

  /** `sockets`: how many an endpoint gets; who asks beyond them waits for one, within its time. */
  constructor(clock: Clock, tls: ConsulTls | undefined, sockets: number) {
    this.#clock = clock;
    const options = { keepAlive: true, maxSockets: sockets, noDelay: true };
    this.#agent = tls === undefined ? new HttpAgent(options) : new HttpsAgent(options);
    if (tls === undefined) return;
    const { serverName, ...files } = tls;
    this.#tls = { ...files, ...(serverName === undefined ? {} : { servername: serverName }) } as RequestOptions;
  }

  /** @throws NoAnswer, Foreign. */
  send({ host, port }: Endpoint, { method, path, headers, body, withinMs, signal }: HttpRequest): Promise<HttpReply> {
    return new Promise((resolve, reject) => {
      const options = { host, port, method, path, headers, agent: this.#agent };
      const sent = this.#begin(options);
      const call = new Call(sent, resolve, reject);
      const timer = this.#clock.timer(withinMs, () => call.giveUp(`no answer within ${withinMs} ms`, true));
      const onAbort = (): void => {
        const why: unknown = signal?.reason;
        call.giveUp(why instanceof NoAnswer ? why.message : "it was given up", false);
      };
      call.settled = () => {
        timer.cancel();
        signal?.removeEventListener("abort", onAbort);
      };
      if (signal?.aborted) return onAbort();
      signal?.addEventListener("abort", onAbort, { once: true });
      if (body === undefined) sent.end();
      else sent.end(body);
    });
  }

  /** @throws NoAnswer for certificates and keys that are none. */
  #begin(options: RequestOptions): ClientRequest {
    try {
      return this.#tls === undefined ? httpRequest(options) : httpsRequest({ ...options, ...this.#tls });
    } catch (error) {
      throw errorOf(error as Error, false);
    }
  }

  /** Lets go of connections that nobody uses: after trouble with one, the others may be dead too. */
  forgetIdle(): void {
    for (const sockets of Object.values(this.#agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** One request until its end, which comes once. */
class Call {
  settled: () => void = () => undefined;
  readonly #request: ClientRequest;
  readonly #resolve: (reply: HttpReply) => void;
  readonly #reject: (error: Error) => void;
  #isSent = false;
  #isOver = false;

  constructor(request: ClientRequest, resolve: (reply: HttpReply) => void, reject: (error: Error) => void) {
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
    request.on("socket", (socket) => {
      // A kept connection can be written to at once.
      if (!socket.connecting && !("secureConnecting" in socket && socket.secureConnecting === true))
        this.#isSent = true;
      else socket.once("encrypted" in socket ? "secureConnect" : "connect", () => (this.#isSent = true));
    });
    request.on("error", (error) => this.#fail(errorOf(error, this.#isSent)));
    request.on("response", (response) => this.#read(response));
  }

  giveUp(why: string, isLate: boolean): void {
    this.#fail(new NoAnswer(why, { isSent: this.#isSent, isLate }));
    this.#request.destroy();
  }

  #read(response: IncomingMessage): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_REPLY_BYTES) return this.giveUp(`an answer of more than ${MAX_REPLY_BYTES} bytes`, false);
      chunks.push(chunk);
    });
    response.on("error", (error) => this.#fail(errorOf(error, true)));
    response.on("end", () => {
      if (this.#isOver) return;
      this.#end();
      const body = Buffer.concat(chunks, bytes);
      this.#resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
    });
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#isOver = true;
    this.settled();
  }
}

function errorOf(cause: Error, isSent: boolean): Error {
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  // What was read is no HTTP.
  if (code.startsWith("HPE_")) return new Foreign("no HTTP", { cause });
  return new NoAnswer(code === "" ? "the connection broke" : code, { isSent, cause });
}
