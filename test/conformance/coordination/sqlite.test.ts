import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqliteCoordinationStore } from "../../../src/drivers/sqlite/index.ts";
import type { CoordinationTarget } from "../../../src/testing/conformance/coordination/index.ts";
import { runCoordination } from "./run-coordination.ts";
import { inProcess } from "./targets.ts";

/** One file for each case, several connections to it. */
function onFiles(): CoordinationTarget {
  const folders: string[] = [];
  const target = inProcess(() => {
    const folder = mkdtempSync(join(tmpdir(), "jobferry-coordination-"));
    folders.push(folder);
    return { connect: () => sqliteCoordinationStore({ path: join(folder, "jobs.db") }) };
  });
  return {
    ...target,
    cleanup: async () => {
      await target.cleanup?.();
      for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
    },
  };
}

await runCoordination("coordination on SQLite, virtual time", onFiles());
const { clock: _virtual, ...real } = onFiles();
await runCoordination("coordination on SQLite, real time", real);
