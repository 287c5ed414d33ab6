// Where the examples run on real servers: for each run a part of the server in which nothing is.
import { Redis } from "ioredis";
import { makeDatabase } from "../postgres/database.ts";
import { sharedServer, startServer } from "../servers/shared-server.ts";

export type Place = Readonly<{
  title: string;
  /** Runs with the URL of an empty store. */
  withStore: <T>(use: (url: string) => Promise<T>) => Promise<T>;
  end: () => Promise<void>;
}>;

const NOTHING = (): Promise<void> => Promise.resolve();

export async function postgresPlace(): Promise<Place | undefined> {
  const server = await sharedServer("postgres");
  if (server === undefined) return undefined;
  const withStore: Place["withStore"] = async (use) => {
    const database = await makeDatabase(server, "example");
    try {
      return await use(database.url);
    } finally {
      await database.drop();
    }
  };
  return { title: "postgres", withStore, end: NOTHING };
}

export async function redisPlace(): Promise<Place | undefined> {
  // Whoever empties a server has one of his own. Durable: another one warns at each start.
  if ((await sharedServer("redis")) === undefined) return undefined;
  const server = await startServer("redis", { durable: true });
  const admin = new Redis(server.url);
  const withStore: Place["withStore"] = async (use) => {
    await admin.flushall();
    return use(server.url);
  };
  const end = async (): Promise<void> => {
    admin.disconnect();
    await server.remove();
  };
  return { title: "redis", withStore, end };
}

export async function rabbitmqPlace(): Promise<Place | undefined> {
  const server = await sharedServer("rabbitmq");
  if (server === undefined) return undefined;
  const ask = async (method: string, vhost: string): Promise<void> => {
    const headers = { authorization: `Basic ${btoa("guest:guest")}` };
    const { ok, status } = await fetch(`${server.endpoints["management"]}/api/vhosts/${vhost}`, { method, headers });
    if (!ok) throw new Error(`${method} ${vhost}: ${status}`);
  };
  let made = 0;
  const withStore: Place["withStore"] = async (use) => {
    const vhost = `example-${process.pid}-${(made += 1)}`;
    await ask("PUT", vhost);
    try {
      return await use(`${server.url}/${vhost}`);
    } finally {
      await ask("DELETE", vhost);
    }
  };
  return { title: "rabbitmq", withStore, end: NOTHING };
}
