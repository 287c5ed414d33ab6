/**
 * The parent process of every server that one owner (a test file, a test run, the command line) starts.
 *
 * The channel to the owner is the death pipe: when it closes, for whatever reason, SIGKILL of the owner included, the guardian
 * kills all servers, removes their folders and ends. It starts the servers itself, so that there is no moment in which one runs
 * that it does not know; being their parent it never sends a signal to a process id that has been given to someone else. It
 * leads a session of its own: Ctrl-C in the terminal reaches the owner only. Should the guardian itself be killed, the owner
 * kills the servers (`guarded.ts`), and after both are gone at once the next guardian does (`leftovers.ts`).
 */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Launch, Report, Request } from "./guardian-messages.ts";
import { recordProcess, removeLeftovers, ROOT_PREFIX } from "./leftovers.ts";
import { hasStopped, isRunning, processTree, signalAll } from "./process-tree.ts";

const END_WAIT = 2_000;
const KILL_WAIT = 5_000;
const STOPPED_WAIT = 5_000;
const AT_END_WAIT = 60_000;

type Child = Readonly<{ process: ChildProcess; endSignal: NodeJS.Signals }>;

const children = new Map<number, Child>();
const atEnd: Readonly<{ command: string; args: readonly string[] }>[] = [];
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
process.on("message", (request: Request) => answer(request));
process.on("disconnect", () => void end());

removeLeftovers();
// A server that runs as another user has to reach its folder inside.
const root = mkdtempSync(join(tmpdir(), ROOT_PREFIX));
chmodSync(root, 0o711);
process.chdir(root);
recordProcess(root, process.pid);
report({ event: "ready", root });

function answer(request: Request): void {
  if (request.op === "spawn") launch(request.id, request.launch);
  else if (request.op === "at-end") atEnd.push(request);
  else void signal(request);
}

async function signal({ id, signal, whole, ticket }: Extract<Request, { op: "signal" }>): Promise<void> {
  const pid = children.get(id)?.process.pid;
  if (pid !== undefined) {
    const pids = whole ? processTree(pid) : [pid];
    signalAll(pids, signal);
    if (signal === "SIGKILL") await untilGone(pids, KILL_WAIT);
    if (signal === "SIGSTOP") await until(() => haveStopped(whole ? processTree(pid) : [pid]), STOPPED_WAIT);
  }
  report({ event: "signalled", ticket });
}

/** Those that have not are told again: a process may have started another one before the signal reached it. */
function haveStopped(pids: readonly number[]): boolean {
  const running = pids.filter((pid) => !hasStopped(pid));
  signalAll(running, "SIGSTOP");
  return running.length === 0;
}

function launch(id: number, { command, args, env, cwd, user, log, endSignal = "SIGKILL" }: Launch): void {
  const output = openSync(log, "a");
  const stdio = ["ignore", output, output] as const;
  const options = { cwd: cwd ?? root, env: { ...process.env, ...env }, detached: true, stdio: [...stdio], ...user };
  const child = spawn(command, args, options);
  closeSync(output);
  children.set(id, { process: child, endSignal });
  child.once("error", (error) => {
    children.delete(id);
    report({ event: "failed", id, message: error.message });
  });
  child.once("exit", (code, signal) => {
    children.delete(id);
    report({ event: "exited", id, how: signal ? `signal ${signal}` : `exit code ${code}` });
  });
  if (child.pid === undefined) return;
  recordProcess(root, child.pid);
  report({ event: "spawned", id, pid: child.pid });
}

function report(message: Report): void {
  // Between the owner's death and "disconnect" sending fails; what to do then is known already.
  if (process.connected) process.send?.(message, () => {});
}

async function end(): Promise<void> {
  const running = [...children.values()].flatMap(({ process: { pid }, endSignal }) => {
    return pid === undefined ? [] : [{ pid, endSignal, tree: processTree(pid) }];
  });
  for (const { pid, endSignal, tree } of running) {
    // A stopped process takes no other signal than SIGKILL.
    if (endSignal === "SIGKILL") continue;
    signalAll(tree, "SIGCONT");
    signalAll([pid], endSignal);
  }
  const slow = running.filter(({ endSignal }) => endSignal !== "SIGKILL");
  await untilGone(
    slow.flatMap(({ tree }) => tree),
    END_WAIT,
  );
  const rest = running.flatMap(({ pid, tree }) => [...tree, ...processTree(pid)]);
  signalAll(rest, "SIGKILL");
  await untilGone(rest, KILL_WAIT);
  for (const { command, args } of atEnd) spawnSync(command, args, { timeout: AT_END_WAIT });
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  process.exit();
}

function untilGone(pids: readonly number[], wait: number): Promise<void> {
  return until(() => !pids.some(isRunning), wait);
}

async function until(isSo: () => boolean, wait: number): Promise<void> {
  const deadline = Date.now() + wait;
  while (!isSo() && Date.now() < deadline) await delay(10);
}
