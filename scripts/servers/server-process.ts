import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import { chownSync, closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { guardian } from "./guarded.ts";
import type { Guarded } from "./guarded.ts";
import type { Launch } from "./guardian-messages.ts";
import { isRunning, processTree, signalAll } from "./process-tree.ts";
import type { ServerNode } from "./server.ts";

/** Until it is ready: eight servers on Java that start together on two cores take longer than 30 s. */
const READY_WAIT = 120_000;
const STOP_WAIT = 20_000;
const END_WAIT = 2_000;
const SIGNAL_REPEAT = 1_000;
const POLL = 10;
const LOG_TAIL = 2_000;

export type ProcessPlan = Readonly<{
  name: string;
  port: number;
  /** See `serverFolder`. */
  folder: string;
  launch: Omit<Launch, "log">;
  /** Whether it serves now; `output` is what it has written so far. May reject: that means no. */
  isReady: (output: string) => Promise<boolean>;
  /** Ends it in good order. */
  stopSignal: NodeJS.Signals;
  /** Removes what a killed one leaves outside its folder. */
  cleanUp?: () => Promise<void>;
}>;

/** A folder for one server, which goes with this process at the latest. */
export async function serverFolder(name: string, user?: Launch["user"]): Promise<string> {
  const { root } = await guardian();
  const folder = join(root, `${name}-${randomUUID().slice(0, 8)}`);
  mkdirSync(folder);
  if (user) chownSync(folder, user.uid, user.gid);
  return folder;
}

/** It ended because somebody has one of its ports: each is looked for first, and free until the server comes to it. */
export class AddressInUse extends Error {
  override readonly name = "AddressInUse";
}

/** As the servers say it; Erlang has two ways. */
const IN_USE = /address already in use|eaddrinuse|port \d+ in use/i;

const attempt = new AsyncLocalStorage<ServerProcess[]>();

/** When the start of a server fails, nothing of it stays: neither what failed nor its other processes. */
export async function wholeOrNothing<Result>(start: () => Promise<Result>): Promise<Result> {
  const started: ServerProcess[] = [];
  try {
    return await attempt.run(started, start);
  } catch (error) {
    await Promise.all(started.map((one) => one.remove()));
    throw error;
  }
}

export async function startProcess(plan: ProcessPlan): Promise<ServerProcess> {
  const started = new ServerProcess(plan);
  attempt.getStore()?.push(started);
  await started.restart();
  return started;
}

/** A server may refuse to stop for the moment, as Redis does while it writes its first append-only file: the signal is repeated. */
async function withinASignal(exited: Promise<string>): Promise<void> {
  const abort = new AbortController();
  const later = delay(SIGNAL_REPEAT, undefined, { signal: abort.signal }).catch(() => undefined);
  await Promise.race([exited, later]);
  abort.abort();
}

export class ServerProcess implements ServerNode {
  readonly name: string;
  readonly port: number;
  readonly log: string;
  readonly #plan: ProcessPlan;
  #running: Guarded | undefined;

  constructor(plan: ProcessPlan) {
    this.#plan = plan;
    this.name = plan.name;
    this.port = plan.port;
    this.log = join(plan.folder, `${plan.name}.log`);
  }

  get pid(): number | undefined {
    return this.#alive()?.pid;
  }

  async stop(): Promise<void> {
    await this.#end(this.#plan.stopSignal, STOP_WAIT);
  }

  async kill(): Promise<void> {
    const running = this.#alive();
    await running?.signal("SIGKILL", true);
    await running?.exited;
  }

  async pause(): Promise<void> {
    await this.#alive()?.signal("SIGSTOP", true);
  }

  async resume(): Promise<void> {
    await this.#alive()?.signal("SIGCONT", true);
  }

  async restart(): Promise<void> {
    await this.stop();
    const { launch, name } = this.#plan;
    closeSync(openSync(this.log, "w"));
    this.#running = await (await guardian()).spawn({ ...launch, log: this.log });
    const deadline = Date.now() + READY_WAIT;
    // Who has its port may answer in its place.
    while (!(await this.#isReady()) || this.#running.end !== undefined) {
      const ended = this.#running.end;
      if (ended === undefined && Date.now() < deadline) {
        await delay(POLL);
        continue;
      }
      const what =
        ended === undefined ? `was not ready after ${READY_WAIT} ms` : `ended before it was ready (${ended})`;
      const output = this.#output();
      await this.kill();
      const Failure = IN_USE.test(output) ? AddressInUse : Error;
      throw new Failure(`${name} ${what}. The end of its output:\n${output.slice(-LOG_TAIL)}`);
    }
  }

  /** Ends it at once, and nothing of it stays. */
  async remove(): Promise<void> {
    await this.#end(this.#plan.launch.endSignal ?? "SIGKILL", END_WAIT);
    await this.#plan.cleanUp?.();
    rmSync(this.#plan.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #end(signal: NodeJS.Signals, wait: number): Promise<void> {
    const running = this.#alive();
    if (!running) return;
    const tree = running.pid > 0 ? processTree(running.pid) : []; // 0: it never began
    if (signal !== "SIGKILL") {
      // A stopped process takes no other signal.
      await running.signal("SIGCONT", true);
      const deadline = Date.now() + wait;
      while (running.end === undefined && Date.now() < deadline) {
        await running.signal(signal);
        await withinASignal(running.exited);
      }
    }
    await this.kill();
    // Its helpers end when they see that it has gone: on a busy machine a moment later.
    const deadline = Date.now() + END_WAIT;
    while (tree.some(isRunning) && Date.now() < deadline) await delay(POLL);
    signalAll(tree.filter(isRunning), "SIGKILL");
  }

  async #isReady(): Promise<boolean> {
    try {
      return await this.#plan.isReady(this.#output());
    } catch {
      return false;
    }
  }

  #alive(): Guarded | undefined {
    return this.#running?.end === undefined ? this.#running : undefined;
  }

  #output(): string {
    return readFileSync(this.log, "utf8");
  }
}
