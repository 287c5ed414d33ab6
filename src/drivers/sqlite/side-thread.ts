import { Worker } from "node:worker_threads";
import { Deferred } from "../../runtime/index.ts";
import type { SideAnswer, SideCall } from "./side-thread-calls.ts";

const FILE = import.meta.url.endsWith(".ts") ? "./side-thread-main.ts" : "./side-thread-main.js";

/**
 * A thread for what would block the event loop: checkpoints and the counting of long queues. It starts with the first call and does not keep
 * the process alive while nobody waits for it.
 */
export class SideThread {
  readonly #path: string;
  readonly #synchronous: string;
  #worker: Worker | undefined;
  #broken = false;
  #closing = false;
  #exited: Deferred | undefined;
  readonly #waiting = new Map<number, Deferred<unknown>>();
  #calls = 0;

  constructor(path: string, synchronous: string) {
    this.#path = path;
    this.#synchronous = synchronous;
  }

  /** Whether it could not start or died. Then its work is done by the caller. */
  get broken(): boolean {
    return this.#broken;
  }

  call(call: SideCall): Promise<unknown> {
    const worker = this.#started();
    const answered = new Deferred<unknown>();
    this.#calls += 1;
    this.#waiting.set(this.#calls, answered);
    worker.ref();
    worker.postMessage({ id: this.#calls, call });
    return answered.promise;
  }

  /** Resolves when the thread and its connection are gone. */
  async close(): Promise<void> {
    if (this.#worker === undefined) return;
    const exited = this.#exited;
    this.#closing = true;
    await this.call({ kind: "close" }).catch(() => undefined);
    await exited?.promise;
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL(FILE, import.meta.url), {
      workerData: { path: this.#path, synchronous: this.#synchronous },
      name: "jobferry-sqlite",
    });
    this.#exited = new Deferred();
    worker.on("message", (answer: SideAnswer) => this.#receive(answer));
    worker.on("error", (error) => this.#gone(error));
    worker.on("exit", () => this.#gone(new Error("The side thread ended.")));
    this.#worker = worker;
    return worker;
  }

  #receive({ id, value, error }: SideAnswer): void {
    const answered = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0 && !this.#closing) this.#worker?.unref();
    if (error === undefined) answered?.resolve(value);
    else answered?.reject(new Error(error));
  }

  #gone(reason: unknown): void {
    this.#broken = true;
    for (const answered of this.#waiting.values()) answered.reject(reason);
    this.#waiting.clear();
    this.#exited?.resolve();
    this.#worker = undefined;
  }
}
