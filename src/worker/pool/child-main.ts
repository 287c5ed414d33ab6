import { isMainThread } from "node:worker_threads";
import { ChildRunner } from "./child-runner.ts";
import { packError } from "./error-parcel.ts";
import { loadWork } from "./load-work.ts";
import type { ToChild } from "./messages.ts";
import { parentPortOfThisChild } from "./parent-port.ts";
import { watchParent } from "./watchdog.ts";

const port = parentPortOfThisChild();
let runner: ChildRunner | undefined;

async function load(module: string, parentPid: number): Promise<void> {
  try {
    const watching = isMainThread ? watchParent(parentPid) : undefined;
    const [work] = await Promise.all([loadWork(new URL(module)), watching]);
    runner = new ChildRunner(port, work);
    port.send([{ kind: "loaded", names: runner.names }]);
  } catch (error) {
    port.send([{ kind: "notLoaded", error: packError(error) }]);
  }
}

function received(note: ToChild): void {
  if (note.kind === "load") void load(note.module, note.parentPid); // it catches everything
  else if (note.kind === "end") process.exit(0);
  else runner?.received(note);
}

/** State after an exception that nobody caught is unknown: the child dies, but not before it has sent what was done. */
function die(error: unknown): void {
  try {
    runner?.flush();
  } finally {
    port.send([{ kind: "dying", error: packError(error) }], () => process.exit(1));
  }
}

process.on("uncaughtException", die);
if (isMainThread) {
  // Ctrl-C and a service manager's stop reach the whole group. The parent decides what they mean and ends its children.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => undefined);
  process.on("disconnect", () => process.exit(0));
}
port.listen((notes) => notes.forEach(received));
