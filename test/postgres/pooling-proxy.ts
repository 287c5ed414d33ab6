import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { findPrograms } from "../../scripts/servers/find-programs.ts";
import { freePort } from "../../scripts/servers/free-port.ts";

export const pgbouncer: string | undefined = findPrograms(["pgbouncer"], ["/usr/sbin", "/opt/homebrew/bin"])?.[
  "pgbouncer"
];

export type PoolingProxy = Readonly<{ port: number; close(): Promise<void> }>;

/** PgBouncer that gives a server connection for one transaction only. It refuses to run as root, as PostgreSQL does. */
export async function startPoolingProxy(host: string, port: number): Promise<PoolingProxy> {
  const folder = mkdtempSync(join(tmpdir(), "jobferry-pgbouncer-"));
  const own = await freePort();
  const settings = [
    "[databases]",
    `* = host=${host} port=${port}`,
    "[pgbouncer]",
    ...[
      `listen_addr = 127.0.0.1`,
      `listen_port = ${own}`,
      "unix_socket_dir =",
      "auth_type = any",
      "pool_mode = transaction",
    ],
    ...["max_client_conn = 200", "default_pool_size = 4", "ignore_startup_parameters = extra_float_digits", ""],
  ];
  const file = join(folder, "pgbouncer.ini");
  // With auth_type any all go in as the user that the database names.
  writeFileSync(file, settings.join("\n").replace(`port=${port}`, `port=${port} user=postgres`));
  const user = process.getuid?.() === 0 ? userPostgres() : undefined;
  if (user !== undefined) for (const path of [folder, file]) chownSync(path, user.uid, user.gid);
  const child = spawn(pgbouncer ?? "pgbouncer", ["-q", file], { stdio: "ignore", ...(user ?? {}) });
  await untilOpen(own);
  return {
    port: own,
    close: async () => {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function userPostgres(): Readonly<{ uid: number; gid: number }> {
  const [, , uid, gid] = /^postgres:.*$/m.exec(readFileSync("/etc/passwd", "utf8"))?.[0].split(":") ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

async function untilOpen(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      });
      socket.on("error", () => resolve(false));
    });
    if (isOpen) return;
    await pause(50);
  }
  throw new Error("PgBouncer did not start.");
}
