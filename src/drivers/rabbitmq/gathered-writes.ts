import { nextTurn } from "../../runtime/index.ts";
import type { AmqpClient } from "./client.ts";

type Corkable = Readonly<{ cork: () => void; uncork: () => void }>;

/**
 * amqplib writes each message to its socket by itself, one system call each, also when a batch was published at once: a quarter of what a push costs
 * this process (ADR 0141). What is published from `hold` on goes to the socket together, two turns of the event loop later: in the first of them amqplib passes it on.
 */
export class GatheredWrites {
  readonly #socket: Corkable | undefined;
  #isHeld = false;

  constructor({ connection }: AmqpClient) {
    const { stream } = connection as Readonly<{ stream?: unknown }>;
    // A client that hides its socket writes as it likes.
    this.#socket = isCorkable(stream) ? stream : undefined;
  }

  hold(): void {
    const socket = this.#socket;
    if (socket === undefined || this.#isHeld) return;
    this.#isHeld = true;
    socket.cork();
    nextTurn(() =>
      nextTurn(() => {
        this.#isHeld = false;
        socket.uncork();
      }),
    );
  }
}

function isCorkable(stream: unknown): stream is Corkable {
  if (typeof stream !== "object" || stream === null || !("cork" in stream) || !("uncork" in stream)) return false;
  return typeof stream.cork === "function" && typeof stream.uncork === "function";
}
