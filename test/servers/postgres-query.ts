import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { findPrograms } from "../../scripts/servers/find-programs.ts";
import type { ServerAddress } from "../../scripts/servers/server.ts";

/** What psql prints, with what it says on errors. */
export async function postgresQuery(
  { host, port, ca }: ServerAddress,
  sql: string,
  { password, tls = false }: Readonly<{ password?: string; tls?: boolean }> = {},
): Promise<string> {
  const psql = findPrograms(["psql"], ["/usr/lib/postgresql/*/bin"])?.["psql"] ?? "psql";
  const words = [`host=${host}`, `port=${port}`, "user=postgres", "dbname=postgres", "connect_timeout=5"];
  words.push(tls && ca !== undefined ? `sslmode=verify-full sslrootcert=${ca}` : "sslmode=disable");
  const env = { ...process.env, PGPASSWORD: password ?? "" };
  const { stdout } = await promisify(execFile)(psql, ["-X", "-A", "-t", "-c", sql, words.join(" ")], { env });
  return stdout.trim();
}
