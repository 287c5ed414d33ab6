/** What a server for tests is, whatever its kind. */
import type { Located, Needs } from "./locate.ts";

export const HOST = "127.0.0.1";

/** What every kind takes; one that cannot do an option refuses it (`refuseOptions`). */
export interface ServerOptions {
  /** What was confirmed survives `kill`, and data survives `restart`. Default: as fast as the server can, and nothing survives. */
  readonly durable?: boolean;
  readonly password?: string;
  /** With a self-signed certificate for 127.0.0.1, whose file is `ca`; plain connections are refused. */
  readonly tls?: boolean;
  /** Reads work, writes are refused. */
  readonly readOnly?: boolean;
  /** Further arguments of the server's program. */
  readonly args?: readonly string[];
}

/** Where a server is. Plain data: it goes from process to process. */
export interface ServerAddress {
  readonly kind: string;
  readonly version: string;
  /** Without the password: hand that to the client as an option. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Further addresses by name, for example the sentinels. */
  readonly endpoints: Readonly<Record<string, string>>;
  /** Ports that are not for clients, by what they are for. */
  readonly innerPorts?: Readonly<Record<string, number>>;
  /** The file of the certificate that a client has to trust. */
  readonly ca?: string;
}

export interface ServerControls {
  /** In good order. What is stopped or killed already stays so. */
  stop(): Promise<void>;
  /** SIGKILL, of all its processes. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Stops it unless it is down already, starts it with the same ports and folder, and waits until it answers. */
  restart(): Promise<void>;
}

/** One process of a server. */
export interface ServerNode extends ServerControls {
  readonly name: string;
  readonly port: number;
  /** `undefined` while it is down. */
  readonly pid: number | undefined;
  /** The file with its output. */
  readonly log: string;
}

export interface RunningServer extends ServerAddress, ServerControls, AsyncDisposable {
  readonly nodes: readonly ServerNode[];
  /** Kills it and removes its folder. `await using` does the same. */
  remove(): Promise<void>;
}

export interface ServerKind<Options extends ServerOptions = ServerOptions> {
  readonly name: string;
  readonly needs: Needs;
  start(options: Options, located: Located): Promise<RunningServer>;
  /** Where the service of the same name in `compose.yaml` is to be found; without it there is none. */
  readonly dockerUrl?: (port: number) => string;
}

/** An option that has no effect would make a test prove nothing. */
export function refuseOptions(kind: string, options: ServerOptions, names: readonly (keyof ServerOptions)[]): void {
  const refused = names.find((name) => options[name] !== undefined);
  if (refused) throw new Error(`The test server ${kind} has no option ${refused}.`);
}
