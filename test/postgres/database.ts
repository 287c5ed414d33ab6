import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import type { ServerAddress } from "../../scripts/servers/server.ts";

export type Database = Readonly<{
  /** Of the database, on the server itself. */
  url: string;
  /** The same by way of another port. */
  urlBy(port: number): string;
  query(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  drop(): Promise<void>;
}>;

/** A database of a test file's own, whose commits are written through as in production. What is asked here goes to the server itself. */
export async function makeDatabase(server: ServerAddress, title: string): Promise<Database> {
  const name = `${title}_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  const itself = new URL(server.endpoints["postgres"] ?? server.url);
  const admin = new pg.Client(itself.href);
  await admin.connect();
  await admin.query(`CREATE DATABASE "${name}"`);
  await admin.query(`ALTER DATABASE "${name}" SET synchronous_commit = on`);
  const urlBy = (port: number): string => `postgres://postgres@${server.host}:${port}/${name}`;
  const own = new pg.Client(urlBy(Number(itself.port)));
  await own.connect();
  return {
    url: urlBy(server.port),
    urlBy,
    query: async (sql) => (await own.query<Record<string, unknown>>(sql)).rows,
    drop: async () => {
      await own.end();
      await dropDatabase(admin, name);
      await admin.end();
    },
  };
}

/** A proxy keeps connections to it, and version 12 knows no DROP DATABASE … WITH (FORCE). */
async function dropDatabase(admin: pg.Client, name: string): Promise<void> {
  const end = `SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity WHERE datname = '${name}'`;
  await admin.query(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS false`);
  while (Number((await admin.query<{ n: string }>(end)).rows[0]?.n) > 0) await pause(10);
  await admin.query(`DROP DATABASE "${name}"`);
}
