import type { Channel } from "./channel.ts";
import type { Exchange } from "./exchange.ts";
import { ClientClosed, NoAnswer } from "./failures.ts";
import type { Follower } from "./follower.ts";
import { readWatch, unwatchRequest, watchRequest } from "./messages.ts";

/**
 * All watches of a client on one stream: a server that allows few streams at once (250 with TLS, before etcd 3.5) still takes calls while many
 * wait for locks. It ends with its last watch.
 */
export class WatchStream {
  readonly channel: Channel;
  readonly token: string | undefined;
  readonly #exchange: Exchange;
  readonly #followers = new Map<bigint, Follower>();
  #lastId = 0n;
  #isOver = false;

  /** @throws NotReached. */
  constructor(channel: Channel, token: string | undefined) {
    this.channel = channel;
    this.token = token;
    this.#exchange = channel.open("Watch/Watch", token === undefined ? {} : { token }, {
      message: (bytes) => this.#heard(bytes),
      anything: () => undefined,
      ended: (failure) => this.#ended(failure ?? new NoAnswer("the server ended the watches")),
    });
  }

  get isUsable(): boolean {
    return !this.#isOver && this.channel.isUsable;
  }

  /** @returns what takes it away again. Fails the follower where the stream has ended since it was handed out. */
  add(follower: Follower): () => void {
    if (this.#isOver) {
      follower.fail(new NoAnswer("the watches ended"));
      return () => undefined;
    }
    this.#lastId += 1n;
    const id = this.#lastId;
    this.#followers.set(id, follower);
    this.#exchange.send(watchRequest(id, follower.prefix, follower.from));
    return () => this.#remove(id);
  }

  #remove(id: bigint): void {
    if (!this.#followers.delete(id) || this.#isOver) return;
    if (this.#followers.size > 0) return this.#exchange.send(unwatchRequest(id));
    this.#isOver = true;
    this.#exchange.cancel(new ClientClosed("nobody watches any more"));
  }

  #heard(bytes: Uint8Array): void {
    const reply = readWatch(bytes);
    const follower = this.#followers.get(reply.id);
    if (follower === undefined) return;
    if (reply.canceled) this.#followers.delete(reply.id);
    follower.take(reply);
  }

  #ended(failure: Error): void {
    this.#isOver = true;
    for (const follower of this.#followers.values()) follower.fail(failure);
    this.#followers.clear();
  }
}
