import type { Command } from "commander";
import { type Connection, type Opening, withQueue } from "./connection.ts";
import { EXIT } from "./exit-codes.ts";
import type { StoreOptions } from "./store.ts";
import type { Terminal } from "./terminal.ts";

export type GlobalOptions = StoreOptions &
  Readonly<{
    json?: boolean;
    yes?: boolean;
    quiet?: boolean;
    color: boolean;
  }>;

/** What every command is given. */
export class Cli {
  readonly terminal: Terminal;
  /** What the process ends with, unless an error says otherwise. */
  exitCode: number = EXIT.ok;

  constructor(terminal: Terminal) {
    this.terminal = terminal;
  }

  globals(command: Command): GlobalOptions {
    return command.optsWithGlobals<GlobalOptions>();
  }

  withQueue<T>(command: Command, opening: Opening, use: (connection: Connection) => Promise<T>): Promise<T> {
    return withQueue(this.terminal, this.globals(command), opening, use);
  }
}

/** Adds one command to the program. */
export type AddCommand = (program: Command, cli: Cli) => void;
