/** The store that a chaos run breaks: its server, and the way to it. */
import { setTimeout as pause } from "node:timers/promises";
import type { LogWriter } from "./log.ts";
import type { Size } from "./store-size.ts";
import type { LeaderFaults } from "./voted-servers.ts";

/** What can be done to a store on a server. Each resolves when the store answers again. */
export type StoreFaults = Readonly<{
  /** SIGKILL of the server (of one node after the other, where there are several), and a new start on the same data. */
  killServer(): Promise<void>;
  /** SIGSTOP, then SIGCONT. */
  freezeServer(ms: number): Promise<void>;
  /** SIGKILL of the primary; another one takes its place before the killed one is started again. undefined where there is no other. */
  failOver: (() => Promise<void>) | undefined;
  /** Where the servers vote for one. */
  leader: LeaderFaults | undefined;
  /** What passes between processes and server; undefined where clients learn other addresses from the servers themselves. */
  way: Way | undefined;
}>;

/** The connections of producers and workers. */
export type Way = Readonly<{
  /** Resets all connections; new ones are taken at once. */
  cut(): Promise<void>;
  /** Connections stay open, nothing passes in either direction. */
  halfOpen(ms: number): Promise<void>;
  /** Requests reach the server, answers do not come back; then all connections are reset. */
  dropAnswers(ms: number): Promise<void>;
  /** Each piece of data takes so much longer in both directions. */
  slow(latencyMs: number, ms: number): Promise<void>;
}>;

export type Store = Readonly<{
  /** Where producers and workers go. */
  url: string;
  /** The same store past all faults of the way. */
  directUrl: string;
  faults: StoreFaults | undefined;
  /** What a store does once and slowly, before the load and its faults begin. */
  prepare?: () => Promise<void>;
  /** Where it is known. */
  size?: () => Promise<Size>;
  /** Whether a fail-over can forget what was confirmed last, pushes excepted. */
  forgets?: boolean;
  close(): Promise<void>;
}>;

function noServer(): never {
  throw new Error("This scenario breaks a server, and the store has none.");
}

/** Of a store without a server. */
export const NO_SERVER: StoreFaults = {
  killServer: noServer,
  freezeServer: noServer,
  failOver: undefined,
  leader: undefined,
  way: undefined,
};

/** Writes down when a fault began and ended, so that the checker knows whom it excuses. */
export function loggedFaults(faults: StoreFaults, log: LogWriter): StoreFaults {
  const logged =
    <A extends readonly unknown[]>(why: string, fault: (...args: A) => Promise<void>) =>
    async (...args: A): Promise<void> => {
      log.write({ type: "away", why });
      await fault(...args);
      log.write({ type: "back", why });
    };
  const { way, failOver, leader } = faults;
  return {
    killServer: logged("killed", () => faults.killServer()),
    freezeServer: logged("frozen", (ms) => faults.freezeServer(ms)),
    failOver: failOver && logged("failed over", failOver),
    leader: leader && {
      kill: logged("leader killed", () => leader.kill()),
      freeze: logged("leader frozen", (ms) => leader.freeze(ms)),
      part: logged("leader cut off", (ms) => leader.part(ms)),
      leaveAlone: logged("leader left alone", (ms) => leader.leaveAlone(ms)),
      split: logged("leader split off", (ms) => leader.split(ms)),
    },
    way: way && {
      cut: logged("connections cut", () => way.cut()),
      halfOpen: logged("half-open connections", (ms) => way.halfOpen(ms)),
      dropAnswers: logged("answers dropped", (ms) => way.dropAnswers(ms)),
      slow: logged("slow", (latencyMs, ms) => way.slow(latencyMs, ms)),
    },
  };
}

const GIVE_UP_MS = 90_000;

/**
 * Calls `fault` every `ms` until the signal fires, and on until it has happened `least` times: processes and servers need longer to start on a busy machine. A fault that
 * returns false has not happened.
 */
export async function every(ms: number, signal: AbortSignal, fault: () => unknown, least = 0): Promise<void> {
  const giveUpAt = performance.now() + GIVE_UP_MS;
  let happened = 0;
  const isOver = (): boolean => signal.aborted && (happened >= least || performance.now() > giveUpAt);
  while (!isOver()) {
    await pause(ms, undefined, signal.aborted ? {} : { signal }).catch(() => undefined);
    if (isOver()) return;
    if ((await fault()) !== false) happened += 1;
  }
}
