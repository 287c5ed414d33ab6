/** A real standby, made by pg_basebackup: opening a queue there says what it is and what to do, and so does a push by a queue whose server became one. */
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import pg from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { freePort } from "../../scripts/servers/free-port.ts";
import { answers, urlOf } from "../../scripts/servers/postgres.ts";
import { programFor, serverUser, type ServerUser } from "../../scripts/servers/postgres-programs.ts";
import { runGuarded } from "../../scripts/servers/run-program.ts";
import type { RunningServer } from "../../scripts/servers/server.ts";
import { serverFolder, startProcess, type ServerProcess } from "../../scripts/servers/server-process.ts";
import { findServer } from "../../scripts/servers/start-server.ts";
import { createJob, type Queue } from "../../src/entry/index.ts";
import { postgresQueue } from "../../src/entry/postgres.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";

type Programs = Readonly<{ postgres: string; basebackup: string; user: ServerUser | undefined }>;

/** Builds out of npm have no pg_basebackup; Debian's and those of macOS do. */
async function programs(): Promise<Programs | undefined> {
  const located = await findServer("postgres");
  if (located === "docker") return undefined;
  const user = serverUser();
  // Its neighbour lies where a link leads to.
  const postgres = realpathSync(await programFor(user, located, "postgres"));
  const basebackup = join(dirname(postgres), "pg_basebackup");
  if (existsSync(basebackup)) return { postgres, basebackup, user };
  test("a standby", ({ skip }) => skip("pg_basebackup is not on this machine"));
  return undefined;
}

async function startStandby(
  { host, port: primaryPort }: RunningServer,
  { postgres: command, basebackup, user }: Programs,
): Promise<ServerProcess> {
  const as = user ? { user } : {};
  const folder = await serverFolder("postgres-standby", user);
  const data = join(folder, "data");
  const from = ["-h", host, "-p", String(primaryPort), "-U", "postgres"];
  const copying = ["-D", data, "-R", "--checkpoint=fast", "--no-sync"];
  await runGuarded({ command: basebackup, args: [...from, ...copying], cwd: folder, ...as });
  const port = await freePort();
  // A standby needs room for as many connections as its primary has.
  const settings = [`listen_addresses=${host}`, "unix_socket_directories=", "max_connections=200", "fsync=off"];
  return startProcess({
    name: "postgres-standby",
    port,
    folder,
    launch: {
      ...{ command, args: ["-D", data, "-p", String(port), ...settings.flatMap((setting) => ["-c", setting])] },
      ...{ cwd: folder, endSignal: "SIGQUIT", ...as },
    },
    isReady: () => answers(port),
    stopSignal: "SIGINT",
  });
}

/** Without jitter the last try of a push is answered long before its time is over: one that is under way then may be stored or not. */
const PUSHES = { pushTimeout: "3s", clock: { ...systemClock, random: () => 1 }, logger: silentLogger } as const;

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "it did not fail",
    (error: unknown) => error,
  );
}

const found = (await isServerAvailable("postgres")) ? await programs() : undefined;
if (found !== undefined) onStandby(found);

function onStandby(made: Programs): void {
  describe("a standby", async () => {
    const primary = await startServer("postgres");
    const pool = new pg.Pool({ connectionString: primary.url });
    // Their server is killed, and nobody is to be told.
    pool.on("error", () => undefined);
    const queue: Queue = await postgresQueue({ client: pool, ...PUSHES }).open();
    await queue.push(createJob("kept"));
    const standby = await startStandby(primary, made);
    afterAll(async () => {
      await queue.close();
      await pool.end();
      await standby.kill();
      await primary.remove();
    });

    test("opening is refused at once, for good, with the word where to connect", async () => {
      const there = postgresQueue(urlOf(standby.port));
      const error = await failure(there.open());
      expect(error).toMatchObject({ code: "STORE_READ_ONLY", retryable: false });
      expect(String(error)).toContain("is a replica. Connect to the primary.");
      await there.close();
    });

    test("a queue that was open is refused, retryable, and goes on when the standby is promoted", async () => {
      Object.assign(pool.options, { connectionString: urlOf(standby.port) });
      await primary.kill();
      const error = await failure(queue.push(createJob("refused")));
      expect(error).toMatchObject({ code: "STORE_READ_ONLY", retryable: true });
      expect(String(error)).toContain("Connect to the primary");
      const admin = new pg.Client(urlOf(standby.port));
      await admin.connect();
      await admin.query("SELECT pg_promote()");
      await admin.end();
      await queue.push(createJob("taken"));
      expect(await queue.size()).toBe(2);
    });
  });
}
