import type { FromChild, ToChild } from "./messages.ts";

export type ChannelListener = Readonly<{
  received: (notes: readonly FromChild[]) => void;
  /** Told once, when the child is gone and all that it still sent has been received. `how` completes "it ended: …". */
  ended: (how: string) => void;
}>;

/** A child and the way to it: a worker thread or a process. */
export interface Channel {
  /** "process 4711" or "thread 3", for messages. */
  readonly name: string;
  /** To a child that is gone it does nothing. */
  send(notes: readonly ToChild[]): void;
  /** Ends the child whatever it does, a busy loop included. */
  kill(): void;
}

/** What a child's own code sends on the same channel (`process.send("ready")`, for a process manager) is nobody's here. */
export function notesIn(message: unknown): readonly FromChild[] {
  const isNote = (one: unknown): boolean => typeof one === "object" && one !== null && "kind" in one;
  return Array.isArray(message) && message.every(isNote) ? (message as readonly FromChild[]) : [];
}

/** Starts a child. @throws INVALID_ARGUMENT for an `execArgv` that it cannot have. */
export type OpenChannel = (execArgv: readonly string[] | undefined, listener: ChannelListener) => Channel;

const EXTENSION = import.meta.url.endsWith(".ts") ? "ts" : "js";

/** Where a child starts, in the sources as well as in what was built from them. */
export const CHILD_MAIN: URL = new URL(`./child-main.${EXTENSION}`, import.meta.url);
