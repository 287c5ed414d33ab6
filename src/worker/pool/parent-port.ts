import { isMainThread, parentPort } from "node:worker_threads";
import { JobferryError } from "../../errors/index.ts";
import type { FromChild, ToChild } from "./messages.ts";

/** A child's way to its parent. */
export interface ParentPort {
  /** @throws DataCloneError when a note carries what cannot be cloned; then nothing was sent. */
  send(notes: readonly FromChild[], sent?: () => void): void;
  listen(received: (notes: readonly ToChild[]) => void): void;
}

export function parentPortOfThisChild(): ParentPort {
  if (!isMainThread && parentPort !== null) return portOfThread(parentPort);
  if (process.send !== undefined) return portOfProcess(process.send.bind(process));
  throw new JobferryError("INVALID_ARGUMENT", "This file is started by a WorkerPool; it does nothing alone.");
}

function portOfThread(port: NonNullable<typeof parentPort>): ParentPort {
  return {
    send: (notes, sent) => {
      port.postMessage(notes);
      sent?.();
    },
    listen: (received) => port.on("message", received),
  };
}

function portOfProcess(send: NonNullable<typeof process.send>): ParentPort {
  return {
    // A parent that is gone is told of by "disconnect".
    send: (notes, sent) => void send(notes, undefined, undefined, () => sent?.()),
    listen: (received) => process.on("message", (notes) => received(notes as readonly ToChild[])),
  };
}
