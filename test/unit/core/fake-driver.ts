import type {
  Capabilities,
  Driver,
  DriverContext,
  ErrorClass,
  ExtendItem,
  ExtendResult,
  FinishItem,
  FinishResult,
  MaintainResult,
  PushItem,
  PushResult,
  RecordStore,
  ReserveRequest,
  ReserveResult,
  StoredStats,
} from "../../../src/contract/index.ts";
import { memoryDriver } from "../../../src/drivers/memory/memory-driver.ts";

type Partly<T> = { readonly [K in keyof T]?: T[K] extends object ? Partial<T[K]> : T[K] };

/** What a test puts in the way of a call; `real` does what the store does. */
export type Script = {
  open?: (real: () => Promise<Capabilities>) => Promise<Capabilities>;
  push?: (
    jobs: readonly PushItem[],
    real: (jobs: readonly PushItem[]) => Promise<readonly PushResult[]>,
  ) => Promise<readonly PushResult[]>;
  reserve?: (request: ReserveRequest, real: () => Promise<ReserveResult>) => Promise<ReserveResult>;
  finish?: (
    items: readonly FinishItem[],
    real: () => Promise<readonly FinishResult[]>,
  ) => Promise<readonly FinishResult[]>;
  extend?: (
    items: readonly ExtendItem[],
    real: () => Promise<readonly ExtendResult[]>,
  ) => Promise<readonly ExtendResult[]>;
  close?: (real: () => Promise<void>) => Promise<void>;
  classify?: (error: unknown) => ErrorClass;
};

/** A store that gets bytes, as every store outside of this process does, with a script for each call and a log of them. */
export class FakeDriver implements Driver<string> {
  readonly name = "fake";
  readonly script: Script = {};
  readonly pushed: (readonly PushItem[])[] = [];
  readonly finished: (readonly FinishItem[])[] = [];
  readonly reserved: ReserveRequest[] = [];
  readonly transactions: (string | undefined)[] = [];
  closed = 0;
  readonly #inner: Driver = memoryDriver();
  readonly #capabilities: Partly<Capabilities>;
  readonly records: RecordStore | undefined;

  constructor(capabilities: Partly<Capabilities> = {}) {
    this.#capabilities = capabilities;
    this.records = this.#inner.records;
  }

  async open(context: DriverContext): Promise<Capabilities> {
    const real = async (): Promise<Capabilities> => {
      const found = await this.#inner.open(context);
      const changed = Object.entries(this.#capabilities).map(([key, value]) => {
        const before = found[key as keyof Capabilities];
        return [key, typeof before === "object" && typeof value === "object" ? { ...before, ...value } : value];
      });
      return { ...found, ...(Object.fromEntries(changed) as Partial<Capabilities>) };
    };
    return this.script.open === undefined ? real() : this.script.open(real);
  }

  async close(): Promise<void> {
    this.closed += 1;
    const real = (): Promise<void> => this.#inner.close();
    return this.script.close === undefined ? real() : this.script.close(real);
  }

  classify(error: unknown): ErrorClass {
    return this.script.classify?.(error) ?? { code: "UNAVAILABLE", retryable: true };
  }

  async push(jobs: readonly PushItem[], options?: Readonly<{ transaction?: string }>): Promise<readonly PushResult[]> {
    this.pushed.push(jobs);
    this.transactions.push(options?.transaction);
    const real = (some: readonly PushItem[]): Promise<readonly PushResult[]> => this.#inner.push(some.map(plain));
    return this.script.push === undefined ? real(jobs) : this.script.push(jobs, real);
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    this.reserved.push(request);
    const real = (): Promise<ReserveResult> => this.#inner.reserve(request);
    return this.script.reserve === undefined ? real() : this.script.reserve(request, real);
  }

  async finish(items: readonly FinishItem[]): Promise<readonly FinishResult[]> {
    this.finished.push(items);
    const real = (): Promise<readonly FinishResult[]> => this.#inner.finish(items);
    return this.script.finish === undefined ? real() : this.script.finish(items, real);
  }

  async extend(items: readonly ExtendItem[]): Promise<readonly ExtendResult[]> {
    const real = (): Promise<readonly ExtendResult[]> => this.#inner.extend(items);
    return this.script.extend === undefined ? real() : this.script.extend(items, real);
  }

  maintain(options: Readonly<{ max: number }>): Promise<MaintainResult> {
    return this.#inner.maintain(options);
  }

  queues(): Promise<readonly string[]> {
    return this.#inner.queues();
  }

  stats(queue?: string): Promise<StoredStats> {
    return this.#inner.stats(queue);
  }

  clear(queue?: string): Promise<Readonly<{ removed: number | undefined }>> {
    return this.#inner.clear(queue);
  }

  pause(queue: string): Promise<void> {
    return this.#inner.pause(queue);
  }

  resume(queue: string): Promise<void> {
    return this.#inner.resume(queue);
  }
}

/** Only what the contract names: nothing of core's own item comes back. */
function plain(item: PushItem): PushItem {
  const { id, queue, name, priority, tags, delayMs, runAt, maxLosses, createdAt, envelope, payload } = item;
  return {
    id,
    sequence: undefined,
    queue,
    name,
    priority,
    tags,
    delayMs,
    runAt,
    maxLosses,
    createdAt,
    envelope,
    payload,
  };
}

/** A stored job that somebody else's process wrote. */
export function strangeItem(id: string, change: Partial<PushItem>): PushItem {
  return {
    ...{
      id,
      sequence: undefined,
      queue: "default",
      name: "default",
      priority: 0,
      tags: {},
      delayMs: 0,
      runAt: undefined,
    },
    ...{ maxLosses: 3, createdAt: 0, envelope: Uint8Array.of(1, 0), payload: new Uint8Array(0) },
    ...change,
  };
}
