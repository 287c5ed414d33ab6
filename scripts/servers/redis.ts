import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createCertificate } from "./certificate.ts";
import { debianPackages } from "./debian-packages.ts";
import { findPrograms } from "./find-programs.ts";
import { freePort } from "./free-port.ts";
import { program } from "./locate.ts";
import { redisCommand } from "./redis-command.ts";
import { runProgram } from "./run-program.ts";
import { runningServer } from "./running-server.ts";
import { HOST } from "./server.ts";
import type { ServerKind, ServerOptions } from "./server.ts";
import { serverFolder, startProcess } from "./server-process.ts";
import type { ServerProcess } from "./server-process.ts";

export interface RedisOptions extends ServerOptions {
  /** For example `"8mb"`: beyond it writes are refused, nothing is evicted. */
  readonly maxMemory?: string;
}

export const redisNeeds = {
  find: () => findPrograms(["redis-server"], ["/opt/homebrew/bin", "/usr/local/bin"]),
  installers: [debianPackages("redis-server")],
  words: "Install redis-server, 7.0 or newer (Debian: apt-get install redis-server; macOS: brew install redis).",
};

export const redis: ServerKind<RedisOptions> = {
  name: "redis",
  needs: redisNeeds,
  start: (options, located) => startRedis("redis", program(located, "redis-server"), options),
};

/** Valkey's program takes the same arguments. */
async function startRedis(kind: string, command: string, options: RedisOptions): ReturnType<typeof redis.start> {
  const { password, tls = false } = options;
  const folder = await serverFolder(kind);
  const files = tls ? await createCertificate(folder) : undefined;
  const port = await freePort();
  const secured = files
    ? [
        "--port",
        "0",
        "--tls-port",
        String(port),
        "--tls-cert-file",
        files.certificate,
        "--tls-key-file",
        files.key,
        "--tls-auth-clients",
        "no",
      ]
    : ["--port", String(port)];
  const args = [
    ...secured,
    ...["--appendonly", options.durable ? "yes" : "no"],
    ...(password === undefined ? [] : ["--requirepass", password]),
    ...(options.maxMemory === undefined ? [] : ["--maxmemory", options.maxMemory, "--maxmemory-policy", "noeviction"]),
    // A replica that never finds its primary: nothing listens on port 1.
    ...(options.readOnly ? ["--replicaof", `${HOST} 1`, "--replica-read-only", "yes"] : []),
    ...(options.args ?? []),
  ];
  const ca = files?.certificate;
  const node = await startRedisNode({ name: kind, command, folder, port, args, password, ca });
  const url = `${tls ? "rediss" : "redis"}://${HOST}:${port}`;
  return runningServer({ kind, version: await redisVersion(command), url, ...(ca === undefined ? {} : { ca }) }, [
    node,
  ]);
}

export type RedisNode = Readonly<{
  name: string;
  command: string;
  /** The node's own. */
  folder: string;
  port: number;
  args: readonly string[];
  password?: string | undefined;
  ca?: string | undefined;
}>;

/** One `redis-server`, whatever its part. Its data lies in a folder of its own and is kept only where the arguments say so. */
export function startRedisNode({ name, command, folder, port, args, password, ca }: RedisNode): Promise<ServerProcess> {
  const data = join(folder, name);
  mkdirSync(data);
  const base = ["--bind", HOST, "--dir", data, "--save", ""];
  return startProcess({
    name,
    port,
    folder,
    launch: { command, args: [...base, ...args] },
    isReady: async () => (await redisCommand({ port, password, ca }, "PING")) === "PONG",
    stopSignal: "SIGTERM",
  });
}

/** "Redis server v=7.0.15 sha=…" */
export async function redisVersion(command: string): Promise<string> {
  return /v=([\w.]+)/.exec(await runProgram(command, ["--version"]))?.[1] ?? "unknown";
}
