import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sqliteDriver } from "../../../src/drivers/sqlite/index.ts";
import { sqliteQueue } from "../../../src/entry/sqlite.ts";
import { leavesWhatOthersKeep } from "../../retention/keeps-none.ts";

test("the upkeep of a process that keeps none leaves what others keep", async () => {
  expect.hasAssertions();
  const folder = mkdtempSync(join(tmpdir(), "jobferry-retention-"));
  const path = join(folder, "jobs.db");
  await leavesWhatOthersKeep(sqliteQueue(path, { keepCompleted: true }), sqliteDriver({ path }));
  rmSync(folder, { recursive: true });
});
