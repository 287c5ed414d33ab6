import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("worker-process.mjs", import.meta.url));

/** Worker processes that are connected and wait for the start. */
export async function startProcesses(count, { backend, peer, concurrency, connection }) {
  if (connection === undefined) throw new Error(`Other processes cannot attach to what ${peer} has opened.`);
  const args = [backend, peer, String(concurrency), JSON.stringify(connection)];
  const children = Array.from({ length: count }, () => new Child(fork(PROGRAM, args)));
  await Promise.all(children.map((child) => child.until(({ ready }) => ready)));
  const sum = (field) => children.reduce((total, { counts }) => total + counts[field], 0);
  return {
    go: () => children.forEach((child) => child.send("go")),
    runs: () => sum("runs"),
    confirmed: () => sum("confirmed"),
    /** By the wall clock, which all of them share, with fractions of a millisecond. */
    lastConfirmedAt: () => Math.max(...children.map(({ counts }) => counts.lastConfirmedAt)),
    /** Rejects when one of them died. */
    died: Promise.race(children.map(({ died }) => died)),
    async stop() {
      children.forEach((child) => child.send("stop"));
      const ended = await Promise.all(children.map((child) => child.until((message) => message.ended)));
      return {
        ran: ended.flatMap(({ ran }) => ran),
        cpuUs: ended.reduce((total, { cpuUs }) => total + cpuUs, 0),
        mostUnconfirmed: sum("mostUnconfirmed"),
      };
    },
  };
}

class Child {
  counts = { runs: 0, confirmed: 0, lastConfirmedAt: 0, mostUnconfirmed: 0 };
  died;
  #process;

  constructor(process) {
    this.#process = process;
    process.on("message", (message) => {
      if (message.runs !== undefined) this.counts = message;
    });
    this.died = new Promise((_, reject) => {
      process.once("exit", (code) => {
        if (code !== 0) reject(new Error(`A worker process ended with code ${code}.`));
      });
    });
    this.died.catch(() => undefined);
  }

  send(message) {
    this.#process.send(message);
  }

  /** What `wanted` returns of the first message of which it returns something. */
  until(wanted) {
    const found = new Promise((resolve) => {
      const look = (message) => {
        const value = wanted(message);
        if (value === undefined) return;
        this.#process.off("message", look);
        resolve(value);
      };
      this.#process.on("message", look);
    });
    return Promise.race([found, this.died]);
  }
}
