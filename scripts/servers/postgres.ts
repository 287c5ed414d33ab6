import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { cacheFolder } from "./cache-folder.ts";
import { createCertificate } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { freePort } from "./free-port.ts";
import type { Located } from "./locate.ts";
import { anyPostgres, postgresOf, programFor, serverUser } from "./postgres-programs.ts";
import type { ServerUser } from "./postgres-programs.ts";
import { runGuarded, runProgram } from "./run-program.ts";
import { runningServer } from "./running-server.ts";
import { HOST } from "./server.ts";
import type { RunningServer, ServerKind, ServerOptions } from "./server.ts";
import { serverFolder, startProcess } from "./server-process.ts";
import type { ServerProcess } from "./server-process.ts";

export const postgres: ServerKind = {
  name: "postgres",
  needs: anyPostgres,
  start: (options, located) => start("postgres", options, located),
  dockerUrl: urlOf,
};

/** The oldest version that Jobferry supports. */
export const postgres12: ServerKind = {
  name: "postgres-12",
  needs: postgresOf(12, "12.22.0-beta.15"),
  start: (options, located) => start("postgres-12", options, located),
  dockerUrl: urlOf,
};

export const postgres18: ServerKind = {
  name: "postgres-18",
  needs: postgresOf(18, "18.4.0-beta.17"),
  start: (options, located) => start("postgres-18", options, located),
  dockerUrl: urlOf,
};

async function start(kind: string, options: ServerOptions, located: Located): Promise<RunningServer> {
  const { node, version, files } = await startPostgres(options, located);
  const url = `${urlOf(node.port)}${files ? "?sslmode=verify-full" : ""}`;
  return runningServer({ kind, version, url, ...(files ? { ca: files.certificate } : {}) }, [node]);
}

export type PostgresProcess = Readonly<{ node: ServerProcess; version: string; files: Certificate | undefined }>;

export async function startPostgres(options: ServerOptions, located: Located): Promise<PostgresProcess> {
  const user = serverUser();
  const command = await programFor(user, located, "postgres");
  const initdb = await programFor(user, located, "initdb");
  const version = /[\d.]+/.exec(await runProgram(command, ["--version"]))?.[0] ?? "unknown";
  const folder = await serverFolder("postgres", user);
  const data = join(folder, "data");
  await createData({ initdb, version, data, user, password: options.password });
  const files = options.tls ? await createCertificate(folder, user) : undefined;
  writeFileSync(join(data, "pg_hba.conf"), accessRules(options));
  const port = await freePort();
  const node = await startProcess({
    name: "postgres",
    port,
    folder,
    launch: {
      command,
      args: ["-D", data, "-p", String(port), ...settings(options, files), ...(options.args ?? [])],
      cwd: folder,
      ...(user ? { user } : {}),
      endSignal: "SIGQUIT",
    },
    isReady: () => answers(port),
    stopSignal: "SIGINT",
    cleanUp: () => removeSharedMemory(data),
  });
  return { node, version, files };
}

export function urlOf(port: number): string {
  return `postgres://postgres@${HOST}:${port}/postgres`;
}

function settings({ durable = false, readOnly = false }: ServerOptions, tls?: Certificate): readonly string[] {
  const lasting = durable ? [] : ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];
  const reading = readOnly ? ["default_transaction_read_only=on"] : [];
  const secured = tls ? ["ssl=on", `ssl_cert_file=${tls.certificate}`, `ssl_key_file=${tls.key}`] : [];
  const always = [
    `listen_addresses=${HOST}`,
    "unix_socket_directories=",
    "max_connections=200",
    // A killed server would leave segments of the default kind, POSIX, in /dev/shm.
    "dynamic_shared_memory_type=mmap",
  ];
  return [...always, ...lasting, ...reading, ...secured].flatMap((setting) => ["-c", setting]);
}

function accessRules({ tls = false, password }: ServerOptions): string {
  const how = password === undefined ? "trust" : "scram-sha-256";
  return ["all", "replication"]
    .map((database) => `${tls ? "hostssl" : "host"} ${database} all ${HOST}/32 ${how}\n`)
    .join("");
}

type DataPlan = Readonly<{
  initdb: string;
  version: string;
  data: string;
  user: ServerUser | undefined;
  password: string | undefined;
}>;

/** `initdb` takes a second, a copy of its result a tenth: the first result of each version is kept as the template. */
async function createData({ initdb, version, data, user, password }: DataPlan): Promise<void> {
  const as = user ? { user } : {};
  const template = join(cacheFolder("postgres"), `template-${version}-${user?.uid ?? "own"}`);
  if (password === undefined && existsSync(template)) return copy(template, data);
  const passwordFile = `${data}.password`;
  const secret = password === undefined ? ["-A", "trust"] : ["-A", "scram-sha-256", "--pwfile", passwordFile];
  if (password !== undefined) {
    writeFileSync(passwordFile, password, { mode: 0o600 });
    if (user) chownSync(passwordFile, user.uid, user.gid);
  }
  const args = ["-D", data, "-U", "postgres", "-N", "-E", "UTF8", "--no-locale", ...secret];
  await runGuarded({ command: initdb, args, ...as });
  if (password !== undefined) return rmSync(passwordFile);
  await keepTemplate(data, template);
}

/** Other processes do the same at the same time; whoever is first gives the template. */
async function keepTemplate(data: string, template: string): Promise<void> {
  const draft = `${template}.${process.pid}`;
  await copy(data, draft);
  try {
    renameSync(draft, template);
  } catch {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Owner and modes included, which Node's own copying leaves out. */
function copy(from: string, to: string): Promise<void> {
  return runGuarded({ command: "cp", args: ["-a", from, to] });
}

/** Whether it takes connections: it refuses them with 57P03 while it starts up, recovers or shuts down. */
export function answers(port: number): Promise<boolean> {
  const parameters = Buffer.from("user\0postgres\0database\0postgres\0\0");
  const header = Buffer.alloc(8);
  header.writeInt32BE(header.length + parameters.length, 0);
  header.writeInt32BE(196_608, 4);
  return new Promise<boolean>((resolve, reject) => {
    const socket = connect(port, HOST, () => socket.write(Buffer.concat([header, parameters])));
    socket.setTimeout(2_000, () => socket.destroy(new Error("no answer")));
    socket.once("error", reject);
    socket.once("close", () => resolve(false));
    socket.once("data", (reply) => {
      resolve(reply.toString("latin1", 0, 1) === "R" || !reply.includes("C57P03\0"));
      socket.destroy();
    });
  });
}

/** The System V segment by which PostgreSQL knows that a data folder is in use outlives a SIGKILL. Its lock file names it. */
async function removeSharedMemory(data: string): Promise<void> {
  const lock = join(data, "postmaster.pid");
  if (!existsSync(lock)) return;
  const id = readFileSync(lock, "utf8").split("\n")[6]?.trim().split(/\s+/)[1];
  if (id !== undefined) await runProgram("ipcrm", ["-m", id]).catch(() => undefined);
}
