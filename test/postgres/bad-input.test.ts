import pg from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { createJob } from "../../src/entry/index.ts";
import { migratePostgres, postgresQueue, type PostgresQueueOptions } from "../../src/entry/postgres.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";
import { makeDatabase } from "./database.ts";
import { startWire } from "./wire.ts";

const SECRET = "s3cret-p4ss";

async function failure(
  open: () => Promise<unknown>,
): Promise<Readonly<{ code: string; message: string; retryable: boolean }>> {
  const error: unknown = await open().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Error);
  const text = `${String(error)} ${JSON.stringify(error)}`;
  expect(text).not.toContain(SECRET);
  return error as never;
}

async function opened(target: string | PostgresQueueOptions, options: PostgresQueueOptions = {}): Promise<void> {
  const queue = postgresQueue(target, options);
  try {
    await queue.open();
  } finally {
    await queue.close();
  }
}

describe("postgres: options", () => {
  test.each([
    ["an unknown option", "postgres://h/d", { shema: "x" }, /Did you mean "schema"/],
    ["another scheme", "mysql://user:s3cret-p4ss@h/d", {}, /must begin with postgres/],
    ["a schema that is too long", "postgres://h/d", { schema: "x".repeat(64) }, /1 to 63 bytes/],
    ["a schema of the system's", "postgres://h/d", { schema: "pg_jobs" }, /begin with "pg_"/],
    ["no whole answer to migrate", "postgres://h/d", { migrate: "yes" }, /true or false/],
    ["a client and a URL", "postgres://h/d", { client: {} }, /not both/],
  ])("%s is refused", (_, url, options, message) => {
    expect(() => postgresQueue(url, options as PostgresQueueOptions)).toThrow(message);
    expect(() => postgresQueue(url, options as PostgresQueueOptions)).not.toThrow(SECRET);
  });

  test("a single client of pg is refused", () => {
    expect(() => postgresQueue({ client: new pg.Client() as never })).toThrow(/must be a Pool/);
  });

  test("nothing to connect to is refused", () => {
    expect(() => postgresQueue({})).toThrow(/wants a url/);
  });
});

describe("postgres: no server", () => {
  test("nobody listens there: UNAVAILABLE, which may pass, and the place without the password", async () => {
    const error = await failure(() => opened(`postgres://app:${SECRET}@127.0.0.1:1/shop`));
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(error.message).toContain('PostgreSQL at 127.0.0.1:1, database "shop" as user "app"');
  });

  test("a host name that is none", async () => {
    const error = await failure(() => opened(`postgres://app:${SECRET}@no-such-host.invalid/shop`));
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
  });
});

const server = await sharedServer("postgres");
describe.runIf(server !== undefined)("postgres: a server that refuses", async () => {
  if (server === undefined) return;
  const database = await makeDatabase(server, "refusals");
  afterAll(() => database.drop());
  const { url } = database;
  const as = (user: string): string => url.replace("postgres@", `${user}@`);

  test("a database that is not there", async () => {
    const error = await failure(() => opened(url.replace(/[^/]+$/, "no_such_database")));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", retryable: false });
    expect(error.message).toContain("CREATE DATABASE");
  });

  test("a user that is not there", async () => {
    expect(await failure(() => opened(as("nobody_here")))).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
  });

  test("a user who may not create the schema, and one who may not use it", async () => {
    await database.query(`DROP ROLE IF EXISTS weak_${process.pid}`);
    await database.query(`CREATE ROLE weak_${process.pid} LOGIN`);
    const weak = as(`weak_${process.pid}`);
    const cannotMake = await failure(() => opened(weak, { schema: "not_made" }));
    expect(cannotMake).toMatchObject({ code: "ACCESS_DENIED" });
    expect(cannotMake.message).toContain("CREATE on the database");
    await opened(url, { schema: "kept" });
    expect(await failure(() => opened(weak, { schema: "kept" }))).toMatchObject({ code: "ACCESS_DENIED" });
    await database.query(`GRANT USAGE ON SCHEMA kept TO weak_${process.pid}`);
    await database.query(`GRANT SELECT ON ALL TABLES IN SCHEMA kept TO weak_${process.pid}`);
    const queue = await postgresQueue(weak, { schema: "kept" }).open();
    expect(await failure(() => queue.push(createJob(1)))).toMatchObject({ code: "ACCESS_DENIED" });
    await queue.close();
    await database.query(`DROP OWNED BY weak_${process.pid}`);
    await database.query(`DROP ROLE weak_${process.pid}`);
  });

  test("nothing, for a user with just the rights that the guide names", async () => {
    await database.query(`DROP ROLE IF EXISTS rights_${process.pid}`);
    await database.query(`CREATE ROLE rights_${process.pid} LOGIN`);
    await opened(url, { schema: "rights" });
    await database.query(`GRANT USAGE ON SCHEMA rights TO rights_${process.pid}`);
    await database.query(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA rights TO rights_${process.pid}`,
    );
    await database.query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA rights TO rights_${process.pid}`);
    const queue = postgresQueue(as(`rights_${process.pid}`), { schema: "rights", migrate: false });
    await queue.pushBatch(["a", "b", "c"].map((id) => createJob(id, { id })));
    await (await queue.pop())?.complete();
    await (await queue.pop())?.fail(new Error("no"));
    await queue.pause("default");
    await queue.resume("default");
    expect(await queue.clear("default")).toBe(1);
    expect(await queue.flushFailed()).toBe(1);
    await queue.close();
    await database.query(`DROP OWNED BY rights_${process.pid}`);
    await database.query(`DROP ROLE rights_${process.pid}`);
  });

  test("the server wants no TLS: ACCESS_DENIED that speaks of TLS", async () => {
    const error = await failure(() => opened(`${url}?sslmode=verify-full`));
    expect(error).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
    expect(error.message).toContain("TLS");
  });

  test("a schema that is not there, with migrate: false", async () => {
    const error = await failure(() => opened(url, { schema: "absent", migrate: false }));
    expect(error).toMatchObject({ code: "STORE_OUTDATED" });
    expect(error.message).toContain("jobferry migrate");
    await migratePostgres(url, { schema: "absent" });
    await opened(url, { schema: "absent", migrate: false });
  });

  test("a schema of a newer release is left as it is", async () => {
    await migratePostgres(url, { schema: "newer" });
    await database.query("UPDATE newer.meta SET value = '99' WHERE key = 'layout'");
    const error = await failure(() => opened(url, { schema: "newer" }));
    expect(error).toMatchObject({ code: "STORE_NEWER", retryable: false });
    expect(await database.query("SELECT value FROM newer.meta WHERE key = 'layout'")).toEqual([{ value: "99" }]);
  });

  test.each([
    ["other tables", "CREATE TABLE foreigners.things (id integer)"],
    ["a table meta of another kind", "CREATE TABLE foreigners.meta (id integer)"],
  ])("a schema with %s", async (_, sql) => {
    await database.query("CREATE SCHEMA foreigners");
    await database.query(sql);
    expect(await failure(() => opened(url, { schema: "foreigners" }))).toMatchObject({ code: "STORE_FOREIGN" });
    await database.query("DROP SCHEMA foreigners CASCADE");
  });

  test("transactions that would see another snapshot than claims need", async () => {
    const strict = `strict_${process.pid}`;
    await database.query(`CREATE ROLE ${strict} LOGIN SUPERUSER`);
    await database.query(`ALTER ROLE ${strict} SET default_transaction_isolation = 'serializable'`);
    const error = await failure(() => opened(as(strict)));
    expect(error).toMatchObject({ code: "UNSUPPORTED", retryable: false });
    expect(error.message).toContain("read committed");
    await database.query(`DROP ROLE ${strict}`);
  });

  test("a database whose encoding cannot hold every text", async () => {
    const name = `latin_${process.pid}`;
    await database.query(`CREATE DATABASE ${name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
    const error = await failure(() => opened(url.replace(/[^/]+$/, name)));
    expect(error).toMatchObject({ code: "UNSUPPORTED", retryable: false });
    expect(error.message).toContain("UTF8");
    await database.query(`DROP DATABASE ${name}`);
  });

  test("a pool that asks for binary results, which the driver cannot read", async () => {
    const binary = { connectionString: url, binary: true }; // a property that its types do not know
    const client = new pg.Pool(binary);
    client.on("error", () => undefined);
    const error = await failure(() => opened({ client }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", retryable: false });
    expect(error.message).toContain("binary");
    await client.end();
  });

  test("a payload over the limit is refused before it is sent", async () => {
    const queue = await postgresQueue(url, { schema: "sizes" }).open();
    const before = await database.query("SELECT last_value, is_called FROM sizes.places");
    const { maxBytes } = queue.capabilities.payload;
    const error = await failure(() => queue.push(createJob(new Uint8Array(maxBytes + 1))));
    expect(error).toMatchObject({ code: "PAYLOAD_TOO_LARGE", retryable: false });
    expect(await database.query("SELECT last_value, is_called FROM sizes.places")).toEqual(before);
    await queue.close();
  });
});

describe.runIf(await isServerAvailable("postgres"))("postgres: servers of another kind", () => {
  test("a wrong password, a right one, and TLS where it is wanted", async () => {
    await using own = await startServer("postgres", { password: SECRET, tls: true });
    const { host, port, ca } = own;
    const connect = { host, port, user: "postgres", database: "postgres" };
    const ssl = { ca: (await import("node:fs")).readFileSync(ca ?? "", "utf8") };
    const wrong = await failure(() => opened({ connection: { ...connect, password: `not ${SECRET}`, ssl } }));
    expect(wrong).toMatchObject({ code: "ACCESS_DENIED", retryable: false });
    const plain = await failure(() => opened({ connection: { ...connect, password: SECRET } }));
    expect(plain).toMatchObject({ code: "ACCESS_DENIED" });
    expect(plain.message).toMatch(/without TLS .*wants TLS.*postgres:\/\/…\?sslmode=verify-full/);
    const stranger = await failure(() => opened({ connection: { ...connect, password: SECRET, ssl: true } }));
    expect(stranger).toMatchObject({ code: "ACCESS_DENIED" });
    expect(stranger.message).toContain("ssl.ca");
    await opened({ connection: { ...connect, password: SECRET, ssl } });
  });

  test("a read-only server", async () => {
    await using own = await startServer("postgres", { readOnly: true });
    expect(await failure(() => opened(own.url))).toMatchObject({ code: "STORE_READ_ONLY", retryable: false });
  });

  test("what a server survives is found, and less than was asked for is refused", async () => {
    await using durable = await startServer("postgres", { durable: true });
    const queue = await postgresQueue(durable.url, { durability: "power" }).open();
    expect(queue.capabilities).toMatchObject({ durability: "power", finish: "confirmed" });
    await queue.close();
    await using quick = await startServer("postgres");
    expect(await failure(() => opened(quick.url, { durability: "serverCrash" }))).toMatchObject({
      code: "UNSUPPORTED",
    });
    // Without synchronous commits jobs survive their producers all the same.
    const wire = await startWire(quick.host, quick.port);
    const producer = await postgresQueue(quick.url.replace(`:${quick.port}`, `:${wire.port}`)).open();
    expect(producer.capabilities).toMatchObject({ durability: "process", shared: true, finish: "sent" });
    await producer.push(createJob("kept"));
    wire.cut();
    const other = await postgresQueue(quick.url).open();
    expect((await other.pop())?.payload).toBe("kept");
    await Promise.all([producer.close(), other.close()]);
    await wire.close();
  });
});
