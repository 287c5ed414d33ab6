/** A TCP proxy that loses one chosen answer, and its connection with it. */
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** Methods of AMQP as the server sends them: class and method number. */
export const ANSWERS = {
  /** basic.ack: a publisher confirm. */
  push: Buffer.from([0, 60, 0, 80]),
  /** basic.qos-ok: what the driver asks for behind acknowledgements. */
  finish: Buffer.from([0, 60, 0, 11]),
} as const;

type Pair = Readonly<{ client: Socket; server: Socket }>;

export class AnswerLoser {
  readonly #listener = createServer((client) => this.#accept(client));
  readonly #pairs = new Set<Pair>();
  readonly #target: number;
  #swallow: Buffer | undefined;

  constructor(target: number) {
    this.#target = target;
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#listener.listen(0, "127.0.0.1", resolve));
    return (this.#listener.address() as AddressInfo).port;
  }

  /** The next answer that begins so is lost with its connection; what was asked for has happened. */
  swallow(answer: Buffer): void {
    this.#swallow = answer;
  }

  async close(): Promise<void> {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
  }

  #accept(client: Socket): void {
    const server = connect({ port: this.#target, host: "127.0.0.1" });
    const pair = { client, server };
    this.#pairs.add(pair);
    client.setNoDelay(true);
    server.setNoDelay(true);
    const end = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on("error", end).on("close", end);
    client.on("data", (data) => server.write(data));
    server.on("data", (data) => {
      if (this.#swallow !== undefined && data.includes(this.#swallow)) {
        this.#swallow = undefined;
        return end();
      }
      client.write(data);
    });
  }
}
