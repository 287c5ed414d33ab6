/**
 * A server out of `compose.yaml`, where the machine has none of its programs. It takes no options, its containers are durable
 * anyway; and several nodes that tell each other their addresses, as Sentinel and Cluster do, are left to the programs.
 */
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { freePort } from "./free-port.ts";
import { guardian } from "./guarded.ts";
import { runProgram } from "./run-program.ts";
import { HOST } from "./server.ts";
import type { RunningServer, ServerControls, ServerKind, ServerOptions } from "./server.ts";

const FILE = fileURLToPath(new URL("compose.yaml", import.meta.url));

/** Whether this machine can run it. */
export async function canRunInDocker({ dockerUrl }: ServerKind): Promise<boolean> {
  if (!dockerUrl) return false;
  try {
    await runProgram("docker", ["info"]);
    await runProgram("docker", ["compose", "version"]);
    return true;
  } catch {
    return false;
  }
}

export async function startInDocker(
  { name, needs, dockerUrl }: ServerKind,
  options: ServerOptions,
): Promise<RunningServer> {
  const { durable: _, ...others } = options;
  const refused = Object.keys(others)[0];
  if (refused) throw new Error(`${name} in Docker has no option ${refused}. ${needs.words}`);
  const port = await freePort();
  const project = ["compose", "-f", FILE, "-p", `jobferry-${randomUUID().slice(0, 8)}`];
  const compose = (...words: readonly string[]): Promise<string> =>
    runProgram("docker", [...project, ...words], { env: { JOBFERRY_PORT: String(port) } });
  const end = ["down", "--volumes", "--timeout", "0"];
  (await guardian()).atEnd("docker", [...project, ...end]);
  const node = controls(name, compose);
  await node.restart();
  const remove = async (): Promise<void> => void (await compose(...end));
  return {
    kind: name,
    version: "in Docker",
    url: dockerUrl?.(port) ?? "",
    host: HOST,
    port,
    endpoints: {},
    ...node,
    nodes: [{ ...node, name, port, pid: undefined, log: "" }],
    remove,
    [Symbol.asyncDispose]: remove,
  };
}

function controls(service: string, compose: (...words: readonly string[]) => Promise<string>): ServerControls {
  const run = async (...words: readonly string[]): Promise<void> => void (await compose(...words, service));
  // Docker refuses to do twice what is done already.
  const runAnyway = (...words: readonly string[]): Promise<void> => run(...words).catch(() => undefined);
  const stop = async (): Promise<void> => {
    await runAnyway("unpause");
    await run("stop");
  };
  return {
    stop,
    kill: () => runAnyway("kill"),
    pause: () => run("pause"),
    resume: () => runAnyway("unpause"),
    restart: async () => {
      await stop();
      // Waits for the health check.
      await run("up", "--detach", "--wait");
    },
  };
}
