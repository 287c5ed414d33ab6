import { expect, test } from "vitest";
import { postgresDriver } from "../../src/drivers/postgres/index.ts";
import { postgresQueue } from "../../src/entry/postgres.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { leavesWhatOthersKeep } from "../retention/keeps-none.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { makeDatabase } from "./database.ts";

const server = await sharedServer("postgres");

test.skipIf(server === undefined)("the upkeep of a process that keeps none leaves what others keep", async () => {
  expect.hasAssertions();
  if (server === undefined) return;
  const { url, drop } = await makeDatabase(server, "retention");
  const keeping = postgresQueue(url, { keepCompleted: true, logger: silentLogger });
  await leavesWhatOthersKeep(keeping as never, postgresDriver({ url }) as never);
  await drop();
});
