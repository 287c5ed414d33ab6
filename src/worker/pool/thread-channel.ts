import { Worker } from "node:worker_threads";
import { JobferryError } from "../../errors/index.ts";
import { type Channel, type ChannelListener, CHILD_MAIN, notesIn } from "./channel.ts";
import type { ToChild } from "./messages.ts";

export function openThread(execArgv: readonly string[] | undefined, listener: ChannelListener): Channel {
  const worker = makeWorker(execArgv);
  const name = `thread ${worker.threadId}`;
  let error: unknown;
  worker.on("message", (message: unknown) => listener.received(notesIn(message)));
  worker.on("error", (cause: unknown) => (error = cause));
  // Node delivers what the thread posted before it tells of the exit.
  worker.on("exit", (code) => listener.ended(error instanceof Error ? error.message : `exit code ${code}`));
  return {
    name,
    send: (notes: readonly ToChild[]): void => worker.postMessage(notes),
    kill: (): void => {
      worker.terminate().catch(() => undefined); // "exit" tells
    },
  };
}

function makeWorker(execArgv: readonly string[] | undefined): Worker {
  try {
    return new Worker(CHILD_MAIN, { name: "jobferry", ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }) });
  } catch (cause) {
    if (execArgv === undefined) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new JobferryError("INVALID_ARGUMENT", `execArgv has an option that no thread can have: ${why}`, { cause });
  }
}
