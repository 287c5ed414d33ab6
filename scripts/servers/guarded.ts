import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Launch, Report, Request } from "./guardian-messages.ts";
import { processTree, signalAll } from "./process-tree.ts";

const GUARDIAN = fileURLToPath(new URL("guardian.ts", import.meta.url));

/** One process under a guardian. */
export interface Guarded {
  readonly pid: number;
  /** `undefined` while it runs, then how it ended. */
  readonly end: string | undefined;
  readonly exited: Promise<string>;
  /** `whole`: the process and all that descend from it. Resolves when it is sent; after SIGKILL, when they are gone. */
  signal(signal: NodeJS.Signals, whole?: boolean): Promise<void>;
}

type Entry = {
  pid: number | undefined;
  end: string | undefined;
  onSpawn: (error?: Error) => void;
  onExit: (how: string) => void;
};

let current: Promise<Guardian> | undefined;

/** This process's guardian, started by the first call. */
export function guardian(): Promise<Guardian> {
  current ??= Guardian.start();
  return current;
}

/** Ends what this process has started and waits until it is gone. What is not closed ends with the process. */
export async function closeGuardian(): Promise<void> {
  const closing = current;
  current = undefined;
  await (await closing)?.close();
}

/** The owner's side of `guardian.ts`. */
export class Guardian {
  readonly pid: number;
  /** All folders of servers lie in it; it goes when the owner ends. */
  readonly root: string;
  readonly #process: ChildProcess;
  readonly #entries = new Map<number, Entry>();
  readonly #tickets = new Map<number, () => void>();
  readonly #gone: Promise<void>;
  #nextId = 1;
  #waiting = 0;

  static start(): Promise<Guardian> {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const execArgv = ["--disable-warning=ExperimentalWarning"];
    const child = fork(GUARDIAN, { detached: true, execArgv, env, stdio: ["ignore", "ignore", "inherit", "ipc"] });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`The guardian of the test servers ended with exit code ${code}.`)));
      child.once("message", (report: Report) => {
        if (report.event === "ready") resolve(new Guardian(child, report.root));
      });
    });
  }

  constructor(child: ChildProcess, root: string) {
    this.pid = child.pid ?? 0;
    this.root = root;
    this.#process = child;
    this.#gone = new Promise((resolve) => child.once("exit", () => resolve()));
    child.on("message", (report: Report) => this.#take(report));
    child.once("exit", () => this.#takeOver());
    // Waiting for nothing, the guardian keeps no owner alive.
    child.unref();
    child.channel?.unref();
  }

  async spawn(launch: Launch): Promise<Guarded> {
    const id = this.#nextId++;
    const { promise: spawned, resolve, reject } = Promise.withResolvers<void>();
    const { promise: exited, resolve: onExit } = Promise.withResolvers<string>();
    const onSpawn = (error?: Error): void => (error ? reject(error) : resolve());
    const entry: Entry = { pid: undefined, end: undefined, onSpawn, onExit };
    this.#entries.set(id, entry);
    this.#send({ op: "spawn", id, launch });
    await this.#keepAlive(spawned);
    const waitForExit = (): Promise<string> => this.#keepAlive(exited);
    return {
      pid: entry.pid ?? 0,
      get end() {
        return entry.end;
      },
      get exited() {
        return waitForExit();
      },
      signal: (signal, whole = false) => this.#signal(id, signal, whole),
    };
  }

  /** A program that the guardian runs at its end. */
  atEnd(command: string, args: readonly string[]): void {
    this.#send({ op: "at-end", command, args });
  }

  async close(): Promise<void> {
    this.#process.ref();
    if (this.#process.connected) this.#process.disconnect();
    await this.#gone;
  }

  #signal(id: number, signal: NodeJS.Signals, whole: boolean): Promise<void> {
    if (!this.#process.connected) return Promise.resolve();
    const ticket = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tickets.set(ticket, resolve);
    this.#send({ op: "signal", id, signal, whole, ticket });
    return this.#keepAlive(promise);
  }

  #send(request: Request): void {
    // That it was killed a moment ago is told by its exit.
    if (this.#process.connected) this.#process.send(request, () => undefined);
  }

  #take(report: Report): void {
    if (report.event === "ready") return;
    if (report.event === "signalled") {
      this.#tickets.get(report.ticket)?.();
      this.#tickets.delete(report.ticket);
      return;
    }
    const entry = this.#entries.get(report.id);
    if (!entry) return;
    if (report.event === "spawned") {
      entry.pid = report.pid;
      entry.onSpawn();
      return;
    }
    entry.end = report.event === "failed" ? report.message : report.how;
    if (report.event === "failed") entry.onSpawn(new Error(report.message));
    entry.onExit(entry.end);
    this.#entries.delete(report.id);
  }

  /** The guardian is gone: it was closed, and nothing is left to do, or it was killed. */
  #takeOver(): void {
    for (const [id, { pid, end }] of this.#entries) {
      if (pid !== undefined && end === undefined) signalAll(processTree(pid), "SIGKILL");
      this.#take({ event: "failed", id, message: "its guardian ended" });
    }
    for (const ticket of this.#tickets.keys()) this.#take({ event: "signalled", ticket });
    try {
      rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
    } catch {
      // Something still writes there: what is left of the folder stays in the system's folder for temporary files.
    }
  }

  async #keepAlive<T>(promise: Promise<T>): Promise<T> {
    this.#waiting += 1;
    this.#process.channel?.ref();
    try {
      return await promise;
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#process.channel?.unref();
    }
  }
}
