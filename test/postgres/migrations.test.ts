import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { createJob } from "../../src/entry/index.ts";
import { migratePostgres, postgresQueue } from "../../src/entry/postgres.ts";
import { postgresDriver, capabilitiesOf } from "../../src/drivers/postgres/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { dataOf, Sandbox } from "../cli/run-cli.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { makeDatabase } from "./database.ts";
import { startWire } from "./wire.ts";

/** Without jitter the last try of a push is answered long before its time is over: one that is under way then may be stored or not. */
const PUSHES = { pushTimeout: "1500ms", clock: { ...systemClock, random: () => 1 } } as const;

const server = await sharedServer("postgres");
describe.runIf(server !== undefined)("postgres: migrations", async () => {
  if (server === undefined) return;
  const database = await makeDatabase(server, "migrations");
  const { url } = database;
  afterAll(() => database.drop());
  const schemas = async (): Promise<readonly unknown[]> =>
    (await database.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'm\\_%' ORDER BY 1")).map(
      (row) => row["nspname"],
    );

  test("a dry run tells the SQL and changes nothing; run by hand it makes just what is needed", async () => {
    const { sql } = await migratePostgres(url, { schema: "m_dry", dryRun: true });
    expect(await schemas()).toEqual([]);
    expect(sql).toMatch(/^BEGIN;\nCREATE SCHEMA "m_dry";/);
    expect(sql).toMatch(/COMMIT;\n$/);
    await database.query(sql);
    const queue = await postgresQueue(url, { schema: "m_dry", migrate: false }).open();
    await queue.push(createJob(1));
    expect(await queue.size()).toBe(1);
    await queue.close();
    expect(await migratePostgres(url, { schema: "m_dry" })).toEqual({ sql: "" });
  });

  test("a schema that an administrator made is filled", async () => {
    await database.query("CREATE SCHEMA m_given");
    const { sql } = await migratePostgres(url, { schema: "m_given" });
    expect(sql).not.toContain("CREATE SCHEMA");
  });

  test("twenty processes' worth of queues that start at once on an empty database all open", async () => {
    const queues = Array.from({ length: 20 }, () => postgresQueue(`${url}?schema=m_many`));
    await Promise.all(queues.map((queue) => queue.open()));
    await Promise.all(queues.map((queue, i) => queue.push(createJob(i))));
    expect(await queues[0]?.size()).toBe(20);
    await Promise.all(queues.map((queue) => queue.close()));
  });

  test("a migration that fails leaves nothing behind", async () => {
    await database.query("CREATE SCHEMA m_blocked");
    await database.query("CREATE FUNCTION m_blocked.clock_ms() RETURNS integer LANGUAGE sql AS 'SELECT 1'");
    await expect(migratePostgres(url, { schema: "m_blocked" })).rejects.toThrow(/migrate failed/);
    expect(await database.query("SELECT 1 FROM pg_class WHERE relnamespace = 'm_blocked'::regnamespace")).toEqual([]);
  });

  test.each(["on", "off"])("names with every kind of character, standard_conforming_strings %s", async (setting) => {
    const schema = `m ${setting} "quoted" 'x' \\ \\' $$ ü`;
    const connection = { options: `-c standard_conforming_strings=${setting} -c escape_string_warning=off` };
    const queue = await postgresQueue(url, { schema, connection }).open();
    await queue.push(createJob("x"));
    expect((await queue.pop())?.payload).toBe("x");
    expect(await queue.getStats()).toMatchObject({ reservedJobs: 1 });
    await queue.close();
  });

  test("a server that hangs in the middle of a migration: opening fails in the end", async () => {
    const wire = await startWire(server.host, server.port);
    const blocker = new pg.Client(url);
    await blocker.connect();
    await blocker.query(`SELECT pg_advisory_lock(1246905945, hashtext('"m_waits"'))`);
    const queue = postgresQueue(database.urlBy(wire.port), { schema: "m_waits", callTimeout: "300ms" });
    const opening = queue.open();
    opening.catch(() => undefined);
    // It waits for the other one's lock, longer than a call may take.
    await pause(1_500);
    wire.silence(true);
    await expect(opening).rejects.toMatchObject({ code: "UNAVAILABLE", retryable: true });
    await blocker.end();
    await queue.close();
    await wire.close();
  });

  test("a migration that waits for another one longer than a call may take goes on after it", async () => {
    const blocker = new pg.Client(url);
    await blocker.connect();
    await blocker.query(`SELECT pg_advisory_lock(1246905945, hashtext('"m_patient"'))`);
    const queue = postgresQueue(url, { schema: "m_patient", callTimeout: "1s" });
    const opening = queue.open();
    await pause(3_000);
    await blocker.end();
    await opening;
    await queue.push(createJob(1));
    await queue.close();
  });

  test("jobferry migrate", async () => {
    const sandbox = new Sandbox();
    sandbox.env = { JOBFERRY_URL: url };
    const dry = await sandbox.run(["migrate", "--dry-run", "--schema", "m_cli"]);
    expect(dry).toMatchObject({ code: 0 });
    expect(dry.stdout).toContain('CREATE SCHEMA "m_cli";');
    const done = await sandbox.run(["migrate", "--schema", "m_cli"]);
    expect(done.stdout).toContain("up to date now");
    const again = await sandbox.run(["migrate", "--schema", "m_cli", "--json"]);
    expect(dataOf(again)).toEqual({ changed: false, sql: "" });
    const elsewhere = await sandbox.run(["migrate", "--url", "sqlite:./x.db"]);
    expect(elsewhere).toMatchObject({ code: 2 });
  });

  test("the table of capabilities says what a server with default settings gives", async () => {
    await database.query(`ALTER DATABASE "${new URL(url).pathname.slice(1)}" SET synchronous_commit = on`);
    const driver = postgresDriver({ url, schema: "m_capabilities" });
    const retention = { completed: { count: 0, ageMs: 0 }, failed: { count: 0, ageMs: 0 } };
    const found = await driver.open({ clock: systemClock, logger: silentLogger, retention });
    expect({ ...found, durability: "power" }).toEqual(
      capabilitiesOf({ durability: "power", notify: true, pollMs: 1_000 }),
    );
    await driver.close();
  });

  test.each([
    ["an old server", "pg_catalog.current_setting", "UNSUPPORTED"],
    ["a replica", "pg_catalog.pg_is_in_recovery", "STORE_READ_ONLY"],
  ])("%s is refused", async (_, what, code) => {
    await database.query("DROP SCHEMA IF EXISTS pretended CASCADE");
    await database.query("CREATE SCHEMA pretended");
    // A real server that says what such a one says.
    await database.query(
      what.endsWith("current_setting")
        ? `CREATE FUNCTION pretended.current_setting(name text) RETURNS text LANGUAGE sql AS $$
            SELECT CASE name WHEN 'server_version_num' THEN '110022' WHEN 'server_version' THEN '11.22' ELSE pg_catalog.current_setting(name) END $$`
        : "CREATE FUNCTION pretended.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    );
    const options = encodeURIComponent("-c search_path=pretended,pg_catalog,public");
    const queue = postgresQueue(`${url}?options=${options}`);
    await expect(queue.open()).rejects.toMatchObject({ code, retryable: false });
    await queue.close();
  });

  test("a full disk is STORE_FULL, and the push may be tried again", async () => {
    const queue = await postgresQueue(url, { schema: "m_full", ...PUSHES }).open();
    await database.query(
      "CREATE FUNCTION m_full.no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$",
    );
    await database.query(
      "CREATE TRIGGER full_disk BEFORE INSERT ON m_full.jobs FOR EACH ROW EXECUTE FUNCTION m_full.no_room()",
    );
    await expect(queue.push(createJob(1))).rejects.toMatchObject({ code: "STORE_FULL", retryable: true });
    await database.query("DROP TRIGGER full_disk ON m_full.jobs");
    await queue.push(createJob(2));
    expect(await queue.size()).toBe(1);
    await queue.close();
  });
});
