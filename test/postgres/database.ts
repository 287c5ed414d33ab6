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

/** A database of a test file's own, whose commits are written through as in production. */
export async function makeDatabase(server: ServerAddress, title: string): Promise<Database> {
  const name = `${title}_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  const admin = new pg.Client(server.url);
  await admin.connect();
  await admin.query(`CREATE DATABASE "${name}"`);
  await admin.query(`ALTER DATABASE "${name}" SET synchronous_commit = on`);
  const urlBy = (port: number): string => `postgres://postgres@${server.host}:${port}/${name}`;
  const own = new pg.Client(urlBy(server.port));
  await own.connect();
  return {
    url: urlBy(server.port),
    urlBy,
    query: async (sql) => (await own.query<Record<string, unknown>>(sql)).rows,
    drop: async () => {
      await own.end();
      await admin.query(`DROP DATABASE "${name}" WITH (FORCE)`);
      await admin.end();
    },
  };
}
