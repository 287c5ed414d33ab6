import { expect, test } from "vitest";
import type { TransactResult } from "../../../src/contract/index.ts";
import { item, noAnswer, stage, take, writesTo, type Client } from "./stage.ts";

/** The next pause or resume is under way when it is given up, and arrives when the function is called. */
function holdNext(client: Client): () => Promise<TransactResult> {
  let held: (() => Promise<TransactResult>) | undefined;
  client.onTransact = async (writes, send) => {
    if (held !== undefined || !writesTo("/q")(writes)) return send();
    held = send;
    throw noAnswer();
  };
  return () => {
    if (held === undefined) throw new Error("nothing was held");
    return held();
  };
}

test.each(["a queue that is known", "one that is not"])(
  "a late pause does not undo the resume behind it: %s",
  async (which) => {
    const { join } = stage();
    const { driver, client } = await join();
    if (which === "a queue that is known") await driver.push([item("a")]);
    const arrive = holdNext(client);
    await expect(driver.pause("q")).rejects.toThrow("The answer was lost.");
    await driver.resume("q");
    expect((await arrive()).ok).toBe(false);
    await driver.push([item("b")]);
    expect((await take(driver, 1)).length).toBe(1);
  },
);

test("a late resume does not undo the pause behind it", async () => {
  const { join } = stage();
  const { driver, client } = await join();
  await driver.push([item("a")]);
  await driver.pause("q");
  const arrive = holdNext(client);
  await expect(driver.resume("q")).rejects.toThrow("The answer was lost.");
  await driver.pause("q");
  expect((await arrive()).ok).toBe(false);
  expect(await take(driver, 1)).toEqual([]);
});
