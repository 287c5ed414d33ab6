import { expect, test } from "vitest";
import { memoryDriver } from "../../../src/drivers/memory/memory-driver.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { opened } from "./items.ts";

const KEPT = { count: Infinity, ageMs: Infinity };

test("a driver that is closed is not opened again", async () => {
  const { driver, clock } = await opened();
  await driver.close();
  const again = driver.open({ clock, logger: silentLogger, retention: { completed: KEPT, failed: KEPT } });
  await expect(again).rejects.toMatchObject({ code: "CLOSED" });
});

test("a driver that was never opened says so, unless it is closed", async () => {
  const driver = memoryDriver();
  await expect(driver.queues()).rejects.toMatchObject({ code: "NOT_OPEN" });
  await driver.close();
  await expect(driver.queues()).rejects.toMatchObject({ code: "CLOSED" });
});
