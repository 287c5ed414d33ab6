// What a node of a cluster on PostgreSQL is told, with which code, and that it leaves nothing half started.
import pg from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { postgresCluster, type PostgresClusterOptions } from "../../src/entry/postgres.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";
import { makeDatabase } from "./database.ts";

const SECRET = "s3cret-p4ss";

const make = (options: object) =>
  postgresCluster({ nodeId: "a", logger: silentLogger, ...options } as PostgresClusterOptions);

async function startError(options: object): Promise<Readonly<{ code: string; message: string; retryable: boolean }>> {
  const cluster = make(options);
  const error: unknown = await cluster.start().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  await cluster.stop();
  expect(error).toBeInstanceOf(Error);
  expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain(SECRET);
  return error as never;
}

describe("postgres cluster: options", () => {
  test.each([
    ["an unknown option", { url: "postgres://h/d", shema: "x" }, /Did you mean "schema"/],
    ["no place", {}, /wants a url/],
    ["another scheme", { url: `mysql://user:${SECRET}@h/d` }, /must begin with postgres/],
    ["a time-out below the store's minimum", { url: "postgres://h/d", electionTimeout: 100 }, /from 300 to/],
    ["a lock time-out below it", { url: "postgres://h/d", lockTimeout: "1ms" }, /from 300 to/],
    ["a slow heartbeat", { url: "postgres://h/d", electionTimeout: "3s", heartbeatInterval: "1s" }, /below a third/],
  ])("%s is refused at construction", (_, options, message) => {
    expect(() => make(options)).toThrow(message);
    expect(() => make(options)).not.toThrow(SECRET);
  });
});

test("postgres cluster: nobody listens there", async () => {
  const error = await startError({ url: `postgres://app:${SECRET}@127.0.0.1:1/shop` });
  expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
  expect(error.message).toContain("127.0.0.1:1");
});

describe.runIf(await isServerAvailable("postgres"))("postgres cluster: a server that does not do", () => {
  test("refuses the credentials", async () => {
    await using own = await startServer("postgres", { password: "right" });
    const url = own.url.replace("postgres@", `postgres:${SECRET}@`);
    expect(await startError({ url })).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
  });

  test("waits for a standby that is not there: without quorum; it works when it need not wait any more", async () => {
    await using own = await startServer("postgres", { args: ["-c", "synchronous_commit=on"] });
    const admin = new pg.Client(own.url);
    admin.on("error", () => undefined);
    await admin.connect();
    const waitFor = async (standby: string): Promise<void> => {
      await admin.query(`ALTER SYSTEM SET synchronous_standby_names = '${standby}'`);
      await admin.query("SELECT pg_reload_conf()");
      const names = "SELECT current_setting('synchronous_standby_names') AS names";
      await expect.poll(async () => (await admin.query<{ names: string }>(names)).rows[0]?.names).toBe(standby);
    };
    await waitFor("nobody");
    const waits = { url: own.url, callTimeout: "1500ms", electionTimeout: "2s" };
    expect(await startError(waits)).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    await waitFor("");
    const cluster = make(waits);
    await cluster.start();
    expect((await cluster.nodes()).map(({ id }) => id)).toEqual(["a"]);
    await cluster.stop();
    await admin.end();
  });

  test("is read-only", async () => {
    await using own = await startServer("postgres", { readOnly: true });
    expect(await startError({ url: own.url })).toMatchObject({ code: "STORE_READ_ONLY", retryable: false });
  });
});

const server = await sharedServer("postgres");
describe.runIf(server !== undefined)("postgres cluster: a schema", async () => {
  if (server === undefined) return;
  const database = await makeDatabase(server, "cluster_input");
  afterAll(() => database.drop());

  test("of an unsupported version", async () => {
    await database.query("CREATE SCHEMA pretended");
    // A real server that says what such a one says.
    await database.query(
      `CREATE FUNCTION pretended.current_setting(name text) RETURNS text LANGUAGE sql AS $$
        SELECT CASE name WHEN 'server_version_num' THEN '110022' WHEN 'server_version' THEN '11.22' ELSE pg_catalog.current_setting(name) END $$`,
    );
    const options = encodeURIComponent("-c search_path=pretended,pg_catalog,public");
    expect(await startError({ url: `${database.url}?options=${options}` })).toMatchObject({ code: "UNSUPPORTED" });
  });

  test("that is somebody else's, or not there and not to be made", async () => {
    await database.query("CREATE TABLE public.theirs (id integer)");
    expect(await startError({ url: database.url, schema: "public" })).toMatchObject({ code: "STORE_FOREIGN" });
    const missing = await startError({ url: database.url, schema: "missing", migrate: false });
    expect(missing).toMatchObject({ code: "STORE_OUTDATED" });
  });

  test("of a newer release, which is left as it is", async () => {
    const first = make({ url: database.url, schema: "newer" });
    await first.start();
    await first.stop();
    await database.query("UPDATE newer.meta SET value = '99' WHERE key = 'layout'");
    const error = await startError({ url: database.url, schema: "newer" });
    expect(error).toMatchObject({ code: "STORE_NEWER", retryable: false });
    expect(await database.query("SELECT * FROM newer.sessions")).toEqual([]);
  });

  test("with a living node of that id; the living one stays, and of the other nothing is left", async () => {
    const options = { url: database.url, schema: "taken", electionTimeout: "3s", joinTimeout: "5s" };
    const first = make(options);
    await first.start();
    expect(await startError(options)).toMatchObject({ code: "NODE_ID_TAKEN" });
    expect((await first.nodes()).map(({ id }) => id)).toEqual(["a"]);
    await first.stop();
    expect(await database.query("SELECT * FROM taken.sessions")).toEqual([]);
    expect(await database.query("SELECT * FROM taken.keys")).toEqual([]);
  });

  test("takes no such lock name and no such message", async () => {
    const cluster = make({ url: database.url, schema: "limits" });
    await cluster.start();
    await expect(cluster.lock("ü".repeat(200))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const message = cluster.broadcast("news", "x".repeat(1_100_000));
    await expect(message).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    await cluster.stop();
  });
});
