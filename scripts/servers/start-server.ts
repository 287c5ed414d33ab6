import { canRunInDocker, startInDocker } from "./docker.ts";
import { locate, ServerUnavailable } from "./locate.ts";
import type { Located } from "./locate.ts";
import { serverKinds } from "./registry.ts";
import type { OptionsOf, ServerName } from "./registry.ts";
import type { RunningServer, ServerKind, ServerOptions } from "./server.ts";
import { AddressInUse, wholeOrNothing } from "./server-process.ts";

const TRIES = 3;

/** A private server, which ends with this process at the latest. Rejects with `ServerUnavailable` where it cannot be had. */
export async function startServer<Name extends ServerName>(
  name: Name,
  options?: OptionsOf<Name>,
): Promise<RunningServer> {
  const kind: ServerKind<OptionsOf<Name>> = serverKinds[name];
  const located = await findServer(name);
  return located === "docker" ? startInDocker(kind, options ?? {}) : startAt(kind, options ?? {}, located);
}

/** Each try looks for ports of its own. */
async function startAt<Options extends ServerOptions>(
  kind: ServerKind<Options>,
  options: Options,
  located: Located,
): Promise<RunningServer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await wholeOrNothing(() => kind.start(options, located));
    } catch (error) {
      if (!(error instanceof AddressInUse) || tries === TRIES) throw error;
    }
  }
}

/** Gets what is missing. Docker comes last: it takes no options. */
export async function findServer(name: ServerName): Promise<Located | "docker"> {
  const kind: ServerKind = serverKinds[name];
  try {
    return await locate(name, kind.needs);
  } catch (error) {
    if (error instanceof ServerUnavailable && (await canRunInDocker(kind))) return "docker";
    throw error;
  }
}
