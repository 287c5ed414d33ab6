import { connect } from "node:net";
import type { Socket } from "node:net";
import type { AnswerWatcher, LostAnswer } from "./lost-answer.ts";
import { ProxyFlow } from "./proxy-flow.ts";

export type Address = Readonly<{ host: string; port: number }>;

export type Fault =
  | Readonly<{ kind: "pass" }>
  | Readonly<{ kind: "half-open" }>
  | Readonly<{ kind: "drop-responses"; after: number }>
  | Readonly<{ kind: "slow"; latency: number; bytesPerSecond: number }>;

/** A client's connection and, unless the proxy was half-open when it came, the one to the server. */
export class ProxiedConnection {
  readonly #sockets: readonly Socket[];
  readonly #requests: ProxyFlow;
  readonly #responses: ProxyFlow;
  #watcher: AnswerWatcher | undefined;

  constructor(client: Socket, target: Address, fault: Fault, onEnd: () => void) {
    const isReached = fault.kind !== "half-open";
    const server = isReached ? connect({ ...target, allowHalfOpen: true, noDelay: true }) : undefined;
    this.#sockets = server ? [client, server] : [client];
    // Before the flows are told, which would forward it.
    client.on("data", (chunk: Buffer) => this.#watcher?.request(chunk));
    server?.on("data", (chunk: Buffer) => {
      if (this.#watcher?.loses(chunk) === true) this.#lose(client, server);
    });
    this.#requests = new ProxyFlow(client, server);
    this.#responses = new ProxyFlow(server, client);
    this.set(fault);
    let open = this.#sockets.length;
    for (const socket of this.#sockets) {
      socket.once("close", () => {
        open -= 1;
        if (open === 0) onEnd();
      });
    }
  }

  get counts(): Readonly<{ toServer: number; toClient: number; dropped: number }> {
    const dropped = this.#requests.dropped + this.#responses.dropped;
    return { toServer: this.#requests.forwarded, toClient: this.#responses.forwarded, dropped };
  }

  set(fault: Fault): void {
    const isHalfOpen = fault.kind === "half-open";
    const pace = fault.kind === "slow" ? fault : { latency: 0, bytesPerSecond: Infinity };
    const responses = fault.kind === "drop-responses" ? fault.after : Infinity;
    this.#requests.set({ ...pace, allowance: isHalfOpen ? 0 : Infinity });
    this.#responses.set({ ...pace, allowance: isHalfOpen ? 0 : responses });
  }

  /** Loses the answer to a request of this connection, if it comes first there. */
  lose(answer: LostAnswer | undefined): void {
    this.#watcher = answer?.watcher();
  }

  #lose(client: Socket, server: Socket): void {
    this.#responses.drop();
    if (this.#watcher?.how === "end") client.end();
    else client.resetAndDestroy();
    // In good order: what was sent to it takes effect.
    server.end();
  }

  cut(how: "reset" | "end"): void {
    this.#requests.drop();
    this.#responses.drop();
    for (const socket of this.#sockets) {
      if (how === "reset") socket.resetAndDestroy();
      else socket.end();
    }
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
