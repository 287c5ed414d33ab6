import { once } from "node:events";
import { createServer, request } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Place = Readonly<{ host: string; port: number }>;

/** An HTTP proxy before Consul that can lose the answer of a request which took effect, count requests by path, and refuse as older servers do. */
export class LosingProxy implements AsyncDisposable {
  readonly host = "127.0.0.1";
  /** Requests that came, by method (WAIT: of a blocking query) and the first three parts of their paths. */
  readonly counts: Map<string, number> = new Map();
  /** Of answers. */
  bytes = 0;
  /** Transactions with more steps are refused as Consul before 1.15 refuses them. */
  maxVerbs = Infinity;
  /** What sessions get instead of the time to live that was asked for. */
  sessionTtl: string | undefined;
  readonly #target: Place;
  readonly #server = createServer((incoming, response) => void this.#serve(incoming, response));
  #losing: string | undefined;

  private constructor(target: Place) {
    this.#target = target;
  }

  static async start(target: Place): Promise<LosingProxy> {
    const proxy = new LosingProxy(target);
    proxy.#server.listen(0, proxy.host);
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next request of that path takes effect, and its connection ends instead of an answer. */
  loseNext(path: string): void {
    this.#losing = path;
  }

  total(...paths: readonly string[]): number {
    return [...this.counts].reduce(
      (sum, [name, count]) => (paths.some((path) => name.includes(path)) ? sum + count : sum),
      0,
    );
  }

  /** Connections of clients that are open now. */
  connections(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
    );
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = incoming;
    const name = `${/[?&]index=/.test(url) ? "WAIT" : method} ${/^(?:\/[^/?]+){0,3}/.exec(url)?.[0] ?? ""}`;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const body = this.#changed(url, Buffer.concat(chunks));
    const verbs = url.startsWith("/v1/txn") ? (body.toString("latin1").match(/"Verb":/g)?.length ?? 0) : 0;
    if (verbs > this.maxVerbs) {
      response.statusCode = 413;
      response.end(`Transaction contains too many operations (${verbs} > ${this.maxVerbs})`);
      return;
    }
    const isLost = this.#losing !== undefined && url.startsWith(this.#losing);
    if (isLost) this.#losing = undefined;
    const { host, port } = this.#target;
    const length = { "content-length": String(body.length) };
    const sent = request({ host, port, method, path: url, headers: { ...headers, ...length }, agent: false });
    response.on("close", () => sent.destroy());
    sent.on("error", () => response.destroy());
    sent.on("response", (answer) => {
      answer.on("error", () => response.destroy());
      if (isLost) {
        answer.on("end", () => response.destroy());
        answer.resume();
        return;
      }
      answer.on("data", (chunk: Buffer) => (this.bytes += chunk.length));
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    sent.end(body);
  }

  #changed(url: string, body: Buffer): Buffer {
    if (this.sessionTtl === undefined || !url.startsWith("/v1/session/create")) return body;
    return Buffer.from(body.toString().replace(/"TTL":"[^"]*"/, `"TTL":"${this.sessionTtl}"`));
  }
}
