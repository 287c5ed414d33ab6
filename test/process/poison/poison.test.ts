import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isServerAvailable, startServer } from "../../servers/shared-server.ts";
import { besidePoison } from "./beside-poison.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "jobferry-poison-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** With five slots all of them run together, die together, and come back together. */
function cases(url: () => string): void {
  it("whoever kills its process before the others have begun fails alone", async () => {
    const { deaths, failed, completed } = await besidePoison(url(), folder, ["poison", "a", "b", "c", "d"]);
    expect({ failed, completed }).toEqual({ failed: ["poison"], completed: 4 });
    expect(deaths).toBeLessThanOrEqual(3);
  }, 60_000);

  it("two that kill it while the others run fail, and nobody else", async () => {
    const ids = ["poison-1", "a", "poison-2", "b", "c"];
    const { deaths, failed, completed } = await besidePoison(url(), folder, ids, 10);
    expect([...failed].toSorted()).toEqual(["poison-1", "poison-2"]);
    expect(completed).toBe(3);
    // Twice together, and then each alone.
    expect(deaths).toBeLessThanOrEqual(4);
  }, 60_000);
}

describe("jobs that kill their worker, on SQLite", () => {
  cases(() => `sqlite:${folder}/jobs.db`);
});

describe.runIf(await isServerAvailable("redis"))("jobs that kill their worker, on Redis", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  beforeEach(async () => {
    server = await startServer("redis", {});
  });
  afterEach(() => server.remove());
  cases(() => server.url);
});
