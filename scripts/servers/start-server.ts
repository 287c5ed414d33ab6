import { locate } from "./locate.ts";
import { serverKinds } from "./registry.ts";
import type { OptionsOf, ServerName } from "./registry.ts";
import type { RunningServer, ServerKind } from "./server.ts";

/** A private server, which ends with this process at the latest. Rejects with `ServerUnavailable` where it cannot be had. */
export async function startServer<Name extends ServerName>(
  name: Name,
  options?: OptionsOf<Name>,
): Promise<RunningServer> {
  const kind: ServerKind<OptionsOf<Name>> = serverKinds[name];
  const located = await locate(name, kind.needs);
  return kind.start(options ?? {}, located);
}
