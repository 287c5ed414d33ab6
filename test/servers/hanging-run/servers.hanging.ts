/** Part of a run that `however-it-ends.test.ts` kills: it starts servers, says so, and never ends. */
import { writeFileSync } from "node:fs";
import { it } from "vitest";
import { sharedServer, startServer } from "../shared-server.ts";

it("hangs", async () => {
  process.chdir(process.env["TMPDIR"] ?? ".");
  await sharedServer("redis");
  await startServer("postgres");
  writeFileSync("started", "");
  await new Promise(() => {});
});
