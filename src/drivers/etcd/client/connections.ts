import { Channel } from "./channel.ts";
import type { Endpoint } from "./endpoint.ts";
import { ClientClosed, NotReached } from "./failures.ts";

/**
 * The endpoints of one cluster, with at most one connection to each. All calls go to one of them until it fails: then the next one is tried, and
 * stays.
 */
export class Connections {
  readonly #endpoints: readonly Endpoint[];
  readonly #channels = new Map<number, Channel>();
  #current: number;
  #isClosed = false;

  /** `first`: from 0 to below 1; where it begins. */
  constructor(endpoints: readonly Endpoint[], first: number) {
    this.#endpoints = endpoints;
    this.#current = Math.floor(first * endpoints.length);
  }

  get count(): number {
    return this.#endpoints.length;
  }

  /** One that stands. Each endpoint is tried once. @throws NotReached, NotEtcd, ClientClosed. */
  async ready(isInTime: () => boolean): Promise<Channel> {
    let failure: unknown;
    for (let tries = 0; tries < this.count; tries += 1) {
      const channel = this.#channel();
      try {
        await channel.ready();
        return channel;
      } catch (error) {
        if (this.#isClosed) throw error;
        // A server that is not there says less than one that is another.
        if (failure === undefined || !(error instanceof NotReached)) failure = error;
        this.avoid(channel);
        if (!isInTime()) break;
      }
    }
    throw failure;
  }

  /** New calls go elsewhere, where there is an elsewhere. */
  avoid(channel: Channel): void {
    if (this.#endpoints[this.#current] === channel.endpoint) this.#current = (this.#current + 1) % this.count;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#channels.values()].map((channel) => channel.close()));
  }

  #channel(): Channel {
    if (this.#isClosed) throw new ClientClosed("the client is closed");
    const known = this.#channels.get(this.#current);
    if (known?.isUsable) return known;
    const endpoint = this.#endpoints[this.#current];
    if (endpoint === undefined) throw new NotReached("no endpoint");
    const channel = new Channel(endpoint);
    this.#channels.set(this.#current, channel);
    return channel;
  }
}
