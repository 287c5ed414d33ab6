import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ProducerSettings, WorkerSettings } from "./child.ts";
import { childEnv } from "./compile-cache.ts";
import { appendOutput, type LogWriter, unansweredPushes } from "./log.ts";

const STOP_MS = 20_000;
/** A child that dies at once must not be started in a tight loop. */
const RESTART_MS = 50;

type Member = Readonly<{ name: string; child: ChildProcess; exited: Promise<void> }> & {
  doomed: boolean;
  /** Infinity: it starts. */
  readyAt: number;
};

export type FleetOptions = Readonly<{
  part: "worker" | "producer" | "claimer";
  size: number;
  settings: Omit<WorkerSettings, "name"> | Omit<ProducerSettings, "name">;
  log: LogWriter;
  /** Whether the dead are replaced. */
  replace: boolean;
  /** Whether members may die by themselves, of poison. */
  mayDie?: boolean;
  nodeOptions?: readonly string[];
}>;

/** Processes of one kind: started, killed, stopped, replaced. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #members = new Set<Member>();
  #made = 0;
  #ending = false;
  /** What should not have happened: members that ended with an error of their own. */
  readonly problems: string[] = [];

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const first = Array.from({ length: this.#options.size }, () => this.#launch());
    await Promise.all(first.map((member) => Promise.race([once(member.child, "message"), member.exited])));
  }

  #launch(): Member {
    const { part, settings, nodeOptions = [] } = this.#options;
    this.#made += 1;
    const name = `${part}-${this.#made}`;
    const file = fileURLToPath(new URL(`${part}-process.ts`, import.meta.url));
    const child = fork(file, [JSON.stringify({ ...settings, name })], {
      execArgv: ["--disable-warning=ExperimentalWarning", ...nodeOptions],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      cwd: settings.folder,
      env: childEnv(),
    });
    const keep = (text: Buffer): void => appendOutput(settings.folder, name, text.toString());
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    const member: Member = { name, child, exited, doomed: false, readyAt: Infinity };
    child.once("message", () => {
      member.readyAt = performance.now();
      if (part !== "producer") this.#options.log.write({ type: "up", target: name });
    });
    child.once("exit", (code, signal) => this.#exited(member, code, signal));
    this.#members.add(member);
    return member;
  }

  #exited(member: Member, code: number | null, signal: string | null): void {
    this.#members.delete(member);
    if (member.readyAt < Infinity && this.#options.part !== "producer" && !this.#options.log.closed)
      this.#options.log.write({ type: "down", target: member.name });
    if (code !== 0 && !member.doomed && this.#options.mayDie !== true)
      this.problems.push(`${member.name} ended with ${signal ?? `exit code ${code}`}`);
    if (!this.#options.replace || this.#ending) return;
    setTimeout(() => {
      if (!this.#ending) this.#launch();
    }, RESTART_MS);
  }

  /** One that runs, by turns the youngest and the oldest. */
  #victim(aliveMs = 0): Member | undefined {
    const since = performance.now() - aliveMs;
    const ready = [...this.#members].filter(({ readyAt, doomed }) => readyAt <= since && !doomed);
    return this.#made % 2 === 0 ? ready.at(-1) : ready[0];
  }

  /** `aliveMs`: only one that has worked for so long; where processes start slowly all others are killed before they have done anything. */
  kill(aliveMs = 0): boolean {
    const member = this.#victim(aliveMs);
    if (member === undefined) return false;
    this.#kill(member);
    return true;
  }

  /** Kills a producer. Resolves to whether that left a push without an answer: planning takes its time, too. */
  async killInPush(): Promise<boolean> {
    const member = this.#victim();
    if (member === undefined) return false;
    this.#kill(member);
    await member.exited;
    return unansweredPushes(this.#options.settings.folder, member.name) > 0;
  }

  #kill(member: Member): void {
    member.doomed = true;
    this.#options.log.write({ type: "fault", fault: "kill", target: member.name });
    member.child.kill("SIGKILL");
  }

  /** SIGSTOP for `ms`, then SIGCONT. */
  async freeze(ms: number): Promise<void> {
    const member = this.#victim();
    if (member === undefined) return;
    this.#options.log.write({ type: "fault", fault: "stop", target: member.name });
    member.child.kill("SIGSTOP");
    await pause(ms);
    member.child.kill("SIGCONT");
    this.#options.log.write({ type: "fault", fault: "continue", target: member.name });
  }

  /** Asks one to end in good order; it is replaced. */
  async retire(): Promise<void> {
    const member = this.#victim();
    if (member === undefined) return;
    member.child.kill("SIGTERM");
    await this.#ended(member);
  }

  /** Until all have ended by themselves. */
  async finished(): Promise<void> {
    this.#ending = true;
    await Promise.all([...this.#members].map(({ exited }) => exited));
  }

  async stop(): Promise<void> {
    this.#ending = true;
    const members = [...this.#members];
    for (const member of members) {
      // One that is still starting has no handler for it yet, and nothing in hand either.
      if (member.readyAt < Infinity) member.child.kill("SIGTERM");
      else this.#kill(member);
    }
    await Promise.all(members.map((member) => this.#ended(member)));
  }

  async #ended(member: Member): Promise<void> {
    const inTime = new AbortController();
    const late = pause(STOP_MS, "late", { signal: inTime.signal }).catch(() => "in time");
    if ((await Promise.race([member.exited, late])) === "late") {
      this.problems.push(`${member.name} did not stop within ${STOP_MS} ms`);
      this.#kill(member);
      await member.exited;
    }
    inTime.abort();
  }
}
