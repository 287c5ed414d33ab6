/** What an owner and its guardian say to each other. */

export type Launch = Readonly<{
  command: string;
  args: readonly string[];
  /** Added to the owner's own. */
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  user?: Readonly<{ uid: number; gid: number }>;
  /** Both outputs are appended to this file. */
  log: string;
  /** Ends it at once where SIGKILL, the default, would leave something behind in the system; SIGKILL follows. */
  endSignal?: NodeJS.Signals;
}>;

export type Request =
  | Readonly<{ op: "spawn"; id: number; launch: Launch }>
  /** Runs the program when everything ends, for what the guardian's own signals do not reach. */
  | Readonly<{ op: "at-end"; command: string; args: readonly string[] }>
  /** `whole`: the process and all that descend from it. */
  | Readonly<{ op: "signal"; id: number; signal: NodeJS.Signals; whole: boolean; ticket: number }>;

export type Report =
  | Readonly<{ event: "ready"; root: string }>
  | Readonly<{ event: "spawned"; id: number; pid: number }>
  | Readonly<{ event: "failed"; id: number; message: string }>
  | Readonly<{ event: "exited"; id: number; how: string }>
  /** The signal is sent; after SIGKILL all that it went to is gone, after SIGSTOP none of it runs. */
  | Readonly<{ event: "signalled"; ticket: number }>;
