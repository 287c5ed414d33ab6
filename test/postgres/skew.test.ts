import { expect, test } from "vitest";
import { postgresQueue } from "jobferry/postgres";
import { silentLogger } from "../../src/runtime/index.ts";
import { keepsTimeUnderSkew } from "../conformance/skewed-clocks.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { makeDatabase } from "./database.ts";

const server = await sharedServer("postgres");

test.skipIf(server === undefined)(
  "processes whose clocks are hours apart: PostgreSQL's own clock decides",
  async () => {
    expect.hasAssertions();
    if (server === undefined) return;
    const { url, drop } = await makeDatabase(server, "skew");
    await keepsTimeUnderSkew(
      async (clock) => (await postgresQueue(url, { clock, logger: silentLogger }).open()) as never,
    );
    await drop();
  },
);
