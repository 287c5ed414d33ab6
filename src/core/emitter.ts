import { invalidArgument } from "../errors/index.ts";
import { nearest } from "../runtime/index.ts";

export type Listener<T> = (event: T) => unknown;

/** Typed events, one object each. Listeners run in the order in which they were added; what they throw or reject goes to `report`. */
export class Emitter<E> {
  readonly #events: readonly (keyof E & string)[];
  readonly #listeners = new Map<keyof E, readonly Listener<never>[]>();

  /** `events`: all that there are. A listener of another one would never hear anything. */
  constructor(events: readonly (keyof E & string)[]) {
    this.#events = events;
  }

  /** @throws INVALID_ARGUMENT for an event that does not exist. */
  on<K extends keyof E>(event: K, listener: Listener<E[K]>): this {
    this.#check(event, listener);
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }

  once<K extends keyof E>(event: K, listener: Listener<E[K]>): this {
    this.#check(event, listener);
    const wrapped = (value: E[K]): unknown => {
      this.#remove(event, wrapped);
      return listener(value);
    };
    wrapped.listener = listener;
    return this.on(event, wrapped);
  }

  off<K extends keyof E>(event: K, listener: Listener<E[K]>): this {
    this.#remove(event, listener);
    return this;
  }

  #check(event: unknown, listener: unknown): void {
    if (typeof listener !== "function") throw invalidArgument("listener", listener, "a function");
    if (this.#events.includes(event as keyof E & string)) return;
    const meant = typeof event === "string" ? nearest(event, this.#events) : undefined;
    const hint = meant === undefined ? "" : ` (did you mean "${meant}"?)`;
    throw invalidArgument("event", event, `one of ${this.#events.join(", ")}${hint}`);
  }

  #remove(event: keyof E, listener: Listener<never>): void {
    const left = (this.#listeners.get(event) ?? []).filter(
      (one) => one !== listener && !("listener" in one && one.listener === listener),
    );
    if (left.length === 0) this.#listeners.delete(event);
    else this.#listeners.set(event, left);
  }

  /** For the owner's hot path: no event object is built when nobody listens. */
  protected hears(event: keyof E): boolean {
    return this.#listeners.has(event);
  }

  protected emit<K extends keyof E>(event: K, value: E[K], report: (error: unknown) => void): void {
    for (const listener of this.#listeners.get(event) ?? []) {
      try {
        const result = (listener as Listener<E[K]>)(value);
        if (result instanceof Promise) result.catch(report);
      } catch (error) {
        report(error);
      }
    }
  }
}
