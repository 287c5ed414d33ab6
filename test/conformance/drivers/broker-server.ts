import type { Clock, Timer } from "../../../src/contract/index.ts";

/** 0 to this one, higher first. */
export const MAX_PRIORITY = 9;

export type Message = Readonly<{ headers: Uint8Array; body: Uint8Array; priority: number }>;
export type Delivery = Readonly<{ tag: number; message: Message; redeliveries: number }>;
type Ready = Readonly<{ message: Message; redeliveries: number }>;
type Held = Readonly<{ ready: Ready; dueAt: number }>;
type Line = { ready: Ready[]; held: Held[] };

/** A message broker: it pushes what it has to consumers that gave credit, and takes back what a connection did not settle when it ends. */
export class BrokerServer {
  readonly #clock: Clock;
  readonly #lines = new Map<string, Line>();
  readonly #consumers = new Set<Consumer>();
  readonly #connections = new Set<Connection>();
  #connected = 0;
  #tags = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  connect(): Connection {
    const connection = new Connection(this, (this.#connected += 1));
    this.#connections.add(connection);
    this.dispatch();
    return connection;
  }

  disconnect(connection: Connection): void {
    this.#connections.delete(connection);
    this.dispatch();
  }

  subscribe(consumer: Consumer): void {
    this.#consumers.add(consumer);
  }

  unsubscribe(consumer: Consumer): void {
    this.#consumers.delete(consumer);
  }

  enqueue(queue: string, ready: Ready, delayMs = 0): void {
    const line = this.#lines.get(queue) ?? { ready: [], held: [] };
    this.#lines.set(queue, line);
    if (delayMs > 0) line.held.push({ ready, dueAt: this.#clock.monotonic() + delayMs });
    else stand(line, ready);
    this.dispatch();
  }

  /** Gives to every consumer as much as it has credit for. */
  dispatch(): void {
    for (const line of this.#lines.values()) this.#release(line);
    for (const consumer of this.#consumers) {
      const line = this.#lines.get(consumer.queue);
      while (line !== undefined && consumer.credit > 0) {
        const ready = line.ready.shift();
        if (ready === undefined) break;
        consumer.give(ready, (this.#tags += 1));
      }
    }
    this.#armForHeld();
  }

  // What the management interface of a broker offers.

  queues(): readonly string[] {
    return [...this.#lines.keys()];
  }

  ready(queue: string): number {
    return this.#lines.get(queue)?.ready.length ?? 0;
  }

  unsettled(queue: string): number {
    return [...this.#connections].reduce((sum, connection) => sum + connection.unsettledOf(queue), 0);
  }

  purge(queue: string): void {
    const line = this.#lines.get(queue);
    if (line !== undefined) Object.assign(line, { ready: [], held: [] });
  }

  #release(line: Line): void {
    const now = this.#clock.monotonic();
    const due = line.held.filter(({ dueAt }) => dueAt <= now).toSorted((a, b) => a.dueAt - b.dueAt);
    if (due.length === 0) return;
    line.held = line.held.filter(({ dueAt }) => dueAt > now);
    for (const { ready } of due) stand(line, ready);
  }

  /** Only while somebody is connected, so that a broker without clients keeps no timer of the test's clock. */
  #armForHeld(): void {
    this.#timer?.cancel();
    const next = Math.min(...[...this.#lines.values()].flatMap(({ held }) => held.map(({ dueAt }) => dueAt)));
    if (this.#connections.size === 0 || !Number.isFinite(next)) return;
    this.#timer = this.#clock.timer(Math.max(0, next - this.#clock.monotonic()), () => this.dispatch());
  }
}

/** Behind its priority. */
function stand(line: Line, ready: Ready): void {
  const behind = line.ready.findIndex(({ message }) => message.priority < ready.message.priority);
  line.ready.splice(behind === -1 ? line.ready.length : behind, 0, ready);
}

export class Connection {
  readonly number: number;
  readonly #server: BrokerServer;
  readonly #unsettled = new Map<number, Readonly<{ queue: string; ready: Ready }>>();
  #isOpen = true;

  constructor(server: BrokerServer, number: number) {
    this.#server = server;
    this.number = number;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Resolves with the broker's confirm. */
  async publish(queue: string, message: Message, delayMs = 0): Promise<void> {
    await Promise.resolve();
    this.#server.enqueue(queue, { message, redeliveries: 0 }, delayMs);
  }

  consume(queue: string, onDelivery: (delivery: Delivery) => void): Consumer {
    const consumer = new Consumer(this.#server, this, queue, onDelivery);
    this.#server.subscribe(consumer);
    return consumer;
  }

  take(queue: string, ready: Ready, tag: number): void {
    this.#unsettled.set(tag, { queue, ready });
  }

  unsettledOf(queue: string): number {
    return [...this.#unsettled.values()].filter((held) => held.queue === queue).length;
  }

  /** Whether the tag was unsettled still. */
  settle(tag: number): boolean {
    return this.#isOpen && this.#unsettled.delete(tag);
  }

  /** Back into the queue without counting as a redelivery. */
  requeue(tag: number): void {
    const held = this.#unsettled.get(tag);
    if (held !== undefined && this.settle(tag)) this.#server.enqueue(held.queue, held.ready);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#server.disconnect(this);
    for (const { queue, ready } of this.#unsettled.values()) {
      this.#server.enqueue(queue, { ...ready, redeliveries: ready.redeliveries + 1 });
    }
    this.#unsettled.clear();
  }
}

export class Consumer {
  readonly queue: string;
  credit = 0;
  readonly #server: BrokerServer;
  readonly #connection: Connection;
  readonly #onDelivery: (delivery: Delivery) => void;

  constructor(server: BrokerServer, connection: Connection, queue: string, onDelivery: (delivery: Delivery) => void) {
    this.#server = server;
    this.#connection = connection;
    this.queue = queue;
    this.#onDelivery = onDelivery;
  }

  give(ready: Ready, tag: number): void {
    this.credit -= 1;
    this.#connection.take(this.queue, ready, tag);
    // On the wire: it arrives later, perhaps when nobody wants it any more.
    queueMicrotask(() => {
      if (this.#connection.isOpen) this.#onDelivery({ tag, message: ready.message, redeliveries: ready.redeliveries });
    });
  }

  flow(credit: number): void {
    this.credit = credit;
    this.#server.dispatch();
  }

  /** Takes the credit back. Everything that was sent before has arrived when this resolves. */
  async drain(): Promise<void> {
    this.credit = 0;
    await Promise.resolve();
  }

  cancel(): void {
    this.credit = 0;
    this.#server.unsubscribe(this);
  }
}
