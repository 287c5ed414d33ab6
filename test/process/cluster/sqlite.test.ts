import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { sqliteCoordinationStore } from "../../../src/drivers/sqlite/index.ts";
import { clusterCases, SHORTEST } from "./cases.ts";
import { paceOf } from "./pace.ts";

const folder = mkdtempSync(join(tmpdir(), "jobferry-pace-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const write = paceOf(sqliteCoordinationStore({ path: join(folder, "pace.db") }));
clusterCases("sqlite cluster", (place) => ({ kind: "sqlite", path: join(place, "cluster.db") }), {
  ...SHORTEST,
  write,
});
