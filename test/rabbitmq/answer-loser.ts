/** A TCP proxy that loses one chosen answer, and its connection with it. */
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** Methods of AMQP on the wire: class and method number. */
const PUBLISH = [0, 60, 0, 40, 0, 0, 0];
const CONFIRM = Buffer.from([0, 60, 0, 80]);
const QOS = [0, 60, 0, 10];
const QOS_OK = Buffer.from([0, 60, 0, 11]);

export type Loss = Readonly<{ request: Buffer; answer: Buffer }>;

/** The confirm of a message to this queue. */
export function confirmOf(queue: string): Loss {
  return { request: Buffer.from([...PUBLISH, Buffer.byteLength(queue), ...Buffer.from(queue)]), answer: CONFIRM };
}

/** The answer to what the driver asks for behind acknowledgements. */
export const BARRIER: Loss = { request: Buffer.from(QOS), answer: QOS_OK };

type Pair = Readonly<{ client: Socket; server: Socket }>;

export class AnswerLoser {
  readonly #listener = createServer((client) => this.#accept(client));
  readonly #pairs = new Set<Pair>();
  readonly #target: number;
  #loss: Loss | undefined;
  #isAsked = false;

  constructor(target: number) {
    this.#target = target;
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#listener.listen(0, "127.0.0.1", resolve));
    return (this.#listener.address() as AddressInfo).port;
  }

  /** The answer that follows the next such request is lost with its connection; what was asked for has happened. */
  lose(loss: Loss): void {
    this.#loss = loss;
    this.#isAsked = false;
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
    client.on("data", (data) => {
      if (this.#loss !== undefined && data.includes(this.#loss.request)) this.#isAsked = true;
      server.write(data);
    });
    server.on("data", (data) => {
      if (this.#loss !== undefined && this.#isAsked && data.includes(this.#loss.answer)) {
        this.#loss = undefined;
        return end();
      }
      client.write(data);
    });
  }
}
