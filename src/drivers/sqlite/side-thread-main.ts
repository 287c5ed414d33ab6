/** The thread's own file: it runs as TypeScript from src and as JavaScript from dist, so it imports nothing that needs more than Node. */
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { countJobs } from "./counting.ts";
import type { SideAnswer, SideCall, SideRequest } from "./side-thread-calls.ts";

const port = parentPort;
const { path, synchronous } = workerData as Readonly<{ path: string; synchronous: string }>;
// Blocking is no harm here: a process that closes the file holds its lock for a moment.
const database = new DatabaseSync(path, { timeout: 1_000 });
database.exec(`PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = ${synchronous}; PRAGMA mmap_size = 1073741824`);

function answer(call: SideCall): unknown {
  switch (call.kind) {
    case "checkpoint":
      // PASSIVE waits for nobody. Only one connection can checkpoint: when another one does, this returns at once.
      return database.prepare("PRAGMA wal_checkpoint(PASSIVE)").get();
    case "count":
      return countJobs(database, call.queue);
    case "close":
      database.close();
      return undefined;
    default:
      return call satisfies never;
  }
}

port?.on("message", ({ id, call }: SideRequest) => {
  try {
    port.postMessage({ id, value: answer(call) } satisfies SideAnswer);
  } catch (error) {
    port.postMessage({ id, error: error instanceof Error ? error.message : "unknown" } satisfies SideAnswer);
  }
  if (call.kind === "close") port.close();
});
