import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { leaseActivity } from "./lease-activity.ts";
import { LogWriter } from "./log.ts";

test("a store is quiet when no process began or ended a lease since the last look; other lines do not count", () => {
  const folder = mkdtempSync(join(tmpdir(), "jobferry-activity-"));
  const [worker, other] = [new LogWriter(folder, "w1"), new LogWriter(folder, "w2")];
  const isActive = leaseActivity(folder);
  expect(isActive()).toBe(false);
  worker.write({ type: "finishing", id: "a", token: 1, end: "release", delayMs: 50 });
  expect([isActive(), isActive()]).toEqual([true, false]);
  other.write({ type: "stalled", since: 1, until: 2 });
  expect(isActive()).toBe(false);
  other.write({ type: "start", id: "a", token: 2, leaseMs: 2_000, claimedAt: 1, attempts: 2, losses: 0 });
  expect([isActive(), isActive()]).toEqual([true, false]);
  for (const log of [worker, other]) log.close();
  rmSync(folder, { recursive: true });
});
