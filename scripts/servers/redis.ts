import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createCertificate } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { debianPackages } from "./debian-packages.ts";
import { debianSuite, placeOf, suiteRoot } from "./debian-suite.ts";
import { findPrograms } from "./find-programs.ts";
import { freePort } from "./free-port.ts";
import { program } from "./locate.ts";
import type { Located } from "./locate.ts";
import { fileFolder, mavenFiles } from "./maven-packages.ts";
import { redisCommand } from "./redis-command.ts";
import { runProgram } from "./run-program.ts";
import { runningServer } from "./running-server.ts";
import { HOST } from "./server.ts";
import type { RunningServer, ServerKind, ServerOptions } from "./server.ts";
import { serverFolder, startProcess } from "./server-process.ts";
import type { ServerProcess } from "./server-process.ts";

export interface RedisOptions extends ServerOptions {
  /** For example `"8mb"`: beyond it writes are refused, nothing is evicted. */
  readonly maxMemory?: string;
}

export const redisNeeds = {
  find: () => findPrograms(["redis-server"], ["/opt/homebrew/bin", "/usr/local/bin"]),
  installers: [debianPackages("redis-server", "openssl")],
  words: "Install redis-server, 7.0 or newer (Debian: apt-get install redis-server; macOS: brew install redis).",
};

export const redis: ServerKind<RedisOptions> = {
  name: "redis",
  needs: redisNeeds,
  start: (options, located) => start("redis", options, located),
  dockerUrl: (port) => `redis://${HOST}:${port}`,
};

/** Redis as it was before its licence changed, 8.1: its program takes the same arguments. */
export const valkey: ServerKind<RedisOptions> = {
  name: "valkey",
  needs: {
    find: findValkey,
    installers: [debianSuite("trixie", "valkey-server")],
    words: "Install valkey-server, 8 or newer; on Debian, root gets it by itself from the suite trixie.",
  },
  start: (options, located) => start("valkey", options, located),
};

/** The oldest one that Jobferry supports: a build that Java programs bring along for their tests. */
export const redis62: ServerKind<RedisOptions> = {
  name: "redis-6.2",
  needs: {
    find: findRedis62,
    installers: [mavenFiles("com.github.codemonstur:embedded-redis:1.0.0")],
    words: "Install Maven, which fetches Redis 6.2 (Debian: apt-get install maven).",
  },
  start: (options, located) => start("redis-6.2", options, located),
};

/** By platform: the file and its SHA-256, as they were when this was written. Nobody signs them. */
const REDIS_62: Readonly<Record<string, readonly [file: string, sha256: string]>> = {
  "linux-x64": ["6.2.6-v5-linux-amd64", "1f716094e08a25faee2bc7626feb9e13464ed89018ac5c376c5e9cff06bdcf52"],
  "linux-arm64": ["6.2.7-linux-arm64", "036a23aa65bfb31d2a048aa96c170b38c2fbd4f1de68ef0f9c3133dd4b1474cd"],
  "darwin-x64": ["6.2.6-v5-darwin-amd64", "7a4eb450d90a6ce9a2c651cfc4a0613b980a270c6426cbb6fa42d6c3beec9ce8"],
  "darwin-arm64": ["6.2.6-v5-darwin-arm64", "c523aec5a9b6f565cff0271ef67f5c51fa83e1180e3e954ab5251b3cf6282b76"],
};

function findRedis62(cache: string): Located | undefined {
  const [file, sha256] = REDIS_62[`${process.platform}-${process.arch}`] ?? [];
  const path = join(fileFolder(cache), `redis-server-${file}`);
  if (sha256 === undefined || !existsSync(path)) return undefined;
  if (createHash("sha256").update(readFileSync(path)).digest("hex") !== sha256)
    throw new Error(`${path} is not the file that it should be (SHA-256). Remove it.`);
  // A jar keeps no modes; and what somebody else has cached cannot be changed.
  if ((statSync(path).mode & 0o111) === 0) chmodSync(path, 0o755);
  return { "redis-server": path };
}

function findValkey(cache: string): Located | undefined {
  const here = findPrograms(["valkey-server"], ["/opt/homebrew/bin"])?.["valkey-server"];
  if (here !== undefined) return { "redis-server": here };
  const root = suiteRoot(cache);
  const inSuite = join(root, "usr/bin/valkey-server");
  return existsSync(inSuite) ? { "redis-server": inSuite, root } : undefined;
}

async function start(kind: string, options: RedisOptions, located: Located): Promise<RunningServer> {
  const { password, tls = false } = options;
  const folder = await serverFolder(kind);
  const files = tls ? await createCertificate(folder) : undefined;
  const port = await freePort();
  const { inside } = await placeOf(located);
  const secured = files
    ? tlsArguments(port, { certificate: inside(files.certificate), key: inside(files.key) })
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
  const node = await startRedisNode({ name: kind, located, folder, port, args, password, ca });
  const url = `${tls ? "rediss" : "redis"}://${HOST}:${port}`;
  const version = await redisVersion(located);
  return runningServer({ kind, version, url, ...(ca === undefined ? {} : { ca }) }, [node]);
}

/** Plain connections are refused, those of the nodes among themselves too. */
export function tlsArguments(port: number, { certificate, key }: Certificate): readonly string[] {
  return [
    ...["--port", "0", "--tls-port", String(port), "--tls-auth-clients", "no", "--tls-replication", "yes"],
    ...["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate],
  ];
}

export type RedisNode = Readonly<{
  name: string;
  located: Located;
  /** The node's own. */
  folder: string;
  port: number;
  args: readonly string[];
  password?: string | undefined;
  ca?: string | undefined;
}>;

/** One `redis-server`, whatever its part. Its data lies in a folder of its own and is kept only where the arguments say so. */
export async function startRedisNode(node: RedisNode): Promise<ServerProcess> {
  const { name, located, folder, port, args, password, ca } = node;
  const data = join(folder, name);
  mkdirSync(data);
  const { inside, command } = await placeOf(located);
  const base = ["--bind", HOST, "--dir", inside(data), "--save", ""];
  return startProcess({
    name,
    port,
    folder,
    // The user's own language may not be there in another suite's folder.
    launch: { ...command(program(located, "redis-server"), ...base, ...args), env: { LC_ALL: "C" } },
    isReady: async () => (await redisCommand({ port, password, ca }, "PING")) === "PONG",
    stopSignal: "SIGTERM",
  });
}

/** "Redis server v=7.0.15 sha=…" */
export async function redisVersion(located: Located): Promise<string> {
  const { command, args } = (await placeOf(located)).command(program(located, "redis-server"), "--version");
  return /v=([\w.]+)/.exec(await runProgram(command, args))?.[1] ?? "unknown";
}
