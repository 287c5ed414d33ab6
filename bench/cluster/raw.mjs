import { DatabaseSync } from "node:sqlite";
import { rawCoordinated } from "./raw-coordinated.mjs";

const UNLOCK = 'if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) else return 0 end';

/** What people write by hand: no line of waiters, no fencing token, no session. */
export const raw = {
  async sqlite(url) {
    const database = new DatabaseSync(url.replace("sqlite:", "") + ".raw", { timeout: 5_000 });
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    database.exec("CREATE TABLE IF NOT EXISTS beats (node INTEGER PRIMARY KEY, at INTEGER NOT NULL)");
    database.exec("CREATE TABLE IF NOT EXISTS locks (name TEXT PRIMARY KEY, owner TEXT NOT NULL)");
    const lock = database.prepare("INSERT OR IGNORE INTO locks VALUES (?, ?)");
    const unlock = database.prepare("DELETE FROM locks WHERE name = ? AND owner = ?");
    const beat = database.prepare("INSERT OR REPLACE INTO beats VALUES (?, ?)");
    return {
      what: "INSERT and DELETE of a row",
      beat: (node) => beat.run(node, Date.now()),
      lockAndUnlock: () => {
        lock.run("free", "me");
        unlock.run("free", "me");
      },
      close: () => database.close(),
    };
  },

  async redis(url) {
    const { Redis } = await import("ioredis");
    const client = new Redis(url);
    return {
      what: "SET NX PX and a script that deletes",
      beat: (node) => client.set(`raw:node:${node}`, "here", "PX", 10_000),
      lockAndUnlock: async () => {
        await client.set("raw:free", "me", "PX", 10_000, "NX");
        await client.eval(UNLOCK, 1, "raw:free", "me");
      },
      close: () => client.quit(),
    };
  },

  async postgres(url) {
    const { default: pg } = await import("pg");
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query("CREATE TABLE IF NOT EXISTS raw_beats (node int PRIMARY KEY, at timestamptz NOT NULL)");
    await client.query("CREATE TABLE IF NOT EXISTS raw_locks (name text PRIMARY KEY, owner text NOT NULL)");
    return {
      what: "INSERT and DELETE of a row",
      beat: (node) =>
        client.query("INSERT INTO raw_beats VALUES ($1, now()) ON CONFLICT (node) DO UPDATE SET at = now()", [node]),
      lockAndUnlock: async () => {
        await client.query("INSERT INTO raw_locks VALUES ($1, $2) ON CONFLICT DO NOTHING", ["free", "me"]);
        await client.query("DELETE FROM raw_locks WHERE name = $1 AND owner = $2", ["free", "me"]);
      },
      close: () => client.end(),
    };
  },

  ...rawCoordinated,
};
