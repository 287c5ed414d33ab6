import { chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debianPackages } from "./debian-packages.ts";
import { findPrograms } from "./find-programs.ts";
import { freePort } from "./free-port.ts";
import { program } from "./locate.ts";
import type { Located } from "./locate.ts";
import { answers, startPostgres, urlOf } from "./postgres.ts";
import { anyPostgres, serverUser } from "./postgres-programs.ts";
import { runProgram } from "./run-program.ts";
import { runningServer } from "./running-server.ts";
import { HOST, refuseOptions } from "./server.ts";
import type { RunningServer, ServerKind, ServerOptions } from "./server.ts";
import { serverFolder, startProcess } from "./server-process.ts";
import type { ServerProcess } from "./server-process.ts";

/** PostgreSQL behind a PgBouncer that gives a connection of the server for one transaction only. Endpoint `postgres`: the server itself. */
export const postgresPgbouncer: ServerKind = {
  name: "postgres-pgbouncer",
  needs: {
    find: (cache) => {
      const server = anyPostgres.find(cache);
      const proxy = findPrograms(["pgbouncer"], ["/usr/sbin", "/opt/homebrew/bin"]);
      return server && proxy && { ...server, ...proxy };
    },
    installers: [debianPackages("postgresql", "openssl", "pgbouncer")],
    words:
      "Install PostgreSQL and PgBouncer (Debian: apt-get install postgresql pgbouncer; macOS: brew install pgbouncer).",
  },
  start,
};

async function start(options: ServerOptions, located: Located): Promise<RunningServer> {
  refuseOptions("postgres-pgbouncer", options, ["password", "tls", "readOnly"]);
  const server = await startPostgres(options, located);
  const proxy = await startProxy(program(located, "pgbouncer"), server.node.port);
  const version = `${await versionOf(program(located, "pgbouncer"))} before ${server.version}`;
  const endpoints = { postgres: urlOf(server.node.port) };
  return runningServer({ kind: "postgres-pgbouncer", version, url: urlOf(proxy.port), endpoints }, [
    proxy,
    server.node,
  ]);
}

async function startProxy(command: string, serverPort: number): Promise<ServerProcess> {
  const user = serverUser();
  const folder = await serverFolder("pgbouncer", user);
  const port = await freePort();
  const file = join(folder, "pgbouncer.ini");
  writeFileSync(file, settings(port, serverPort));
  if (user) chownSync(file, user.uid, user.gid);
  return startProcess({
    name: "pgbouncer",
    port,
    folder,
    launch: { command, args: [file], cwd: folder, ...(user ? { user } : {}) },
    isReady: () => answers(port),
    stopSignal: "SIGTERM",
  });
}

/** Fewer connections than clients have, so that statements do land where they were not prepared. */
function settings(port: number, serverPort: number): string {
  return [
    "[databases]",
    // With auth_type any all go in as the user that is named here.
    `* = host=${HOST} port=${serverPort} user=postgres`,
    "[pgbouncer]",
    `listen_addr = ${HOST}`,
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = any",
    "pool_mode = transaction",
    "max_client_conn = 500",
    "default_pool_size = 4",
    "log_connections = 0",
    "log_disconnections = 0",
    "ignore_startup_parameters = extra_float_digits",
    "",
  ].join("\n");
}

async function versionOf(command: string): Promise<string> {
  return /PgBouncer ([\d.]+)/.exec(await runProgram(command, ["--version"]))?.[1] ?? "unknown";
}
