import type { Handler, Job, JobContext, Work } from "../core/index.ts";
import { invalidArgument } from "../errors/index.ts";
import { checkName } from "../runtime/index.ts";
import type { Attempt } from "./attempt.ts";
import type { Executor, ExecutorListener } from "./executor.ts";

type AnyHandler = (job: Job, context: JobContext) => unknown;

/** Handlers by job name; undefined as the only entry of a single function that takes every name. */
export type HandlerTable = Readonly<{ all: AnyHandler } | { byName: ReadonlyMap<string, AnyHandler> }>;

/** @throws INVALID_ARGUMENT when it is neither a function nor an array of routes with one route a name. */
export function handlerTable(work: Work): HandlerTable {
  if (typeof work === "function") return { all: work as Handler<unknown, unknown> };
  if (!Array.isArray(work) || work.length === 0)
    throw invalidArgument("work", work, "a handler function, or an array of at least one route");
  const byName = new Map<string, AnyHandler>();
  for (const [i, route] of (work as readonly Readonly<{ name: string; handler: unknown }>[]).entries()) {
    if (typeof route?.handler !== "function") throw invalidArgument(`work[${i}].handler`, route?.handler, "a function");
    const name = checkName(`work[${i}].name`, route.name);
    if (byName.has(name)) throw invalidArgument(`work[${i}].name`, name, "a name that no other route has");
    byName.set(name, route.handler as AnyHandler);
  }
  return { byName };
}

export function handlerFor(table: HandlerTable, name: string): AnyHandler | undefined {
  return "all" in table ? table.all : table.byName.get(name);
}

/** Handlers in this thread. */
export class InlineExecutor implements Executor {
  readonly room: number = Infinity;
  readonly isolates: boolean = false;
  readonly #table: HandlerTable;
  #listener: ExecutorListener | undefined;

  constructor(work: Work) {
    this.#table = handlerTable(work);
  }

  async start(listener: ExecutorListener): Promise<void> {
    this.#listener = listener;
  }

  accepts(): boolean {
    return true;
  }

  execute(attempt: Attempt): void {
    const listener = this.#listener;
    const handler = handlerFor(this.#table, attempt.job.name);
    if (listener === undefined || handler === undefined) return;
    let result: unknown;
    let later: boolean;
    try {
      result = handler(attempt.job, attempt);
      later = isThenable(result);
    } catch (error) {
      listener.threw(attempt, error);
      return;
    }
    if (!later) {
      listener.returned(attempt, result);
      return;
    }
    // A foreign thenable may call back twice, or throw; a promise made of it does neither.
    Promise.resolve(result).then(
      (value) => listener.returned(attempt, value),
      (error: unknown) => listener.threw(attempt, error),
    );
  }

  kill(): boolean {
    return false;
  }

  handles(name: string): boolean {
    return handlerFor(this.#table, name) !== undefined;
  }

  async stop(): Promise<void> {
    this.#listener = undefined;
  }
}

function isThenable(value: unknown): boolean {
  if (value instanceof Promise) return true;
  const mayBe = (typeof value === "object" && value !== null) || typeof value === "function";
  return mayBe && "then" in value && typeof value.then === "function";
}
