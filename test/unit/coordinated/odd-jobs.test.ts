import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { JobferryError } from "../../../src/errors/index.ts";
import { item, stage, take } from "./stage.ts";

test("a failure that is long as JSON does not keep its job, and those that end beside it, from ending", async () => {
  const { join } = stage();
  const { driver, maxPayload } = await join();
  const payload = new Uint8Array(maxPayload);
  await driver.push([item("a", { payload }), item("b")]);
  const text = "\u0001".repeat(10_000);
  const failure = { code: "UNEXPECTED", name: text, message: text, stack: text };
  const reservations = await take(driver, 2);
  const items = reservations.map((reservation) => ({ reservation, outcome: "fail", failure }) as const);
  expect(await driver.finish(items)).toEqual(["ok", "ok"]);
  expect((await driver.stats("q")).failed).toBe(2);
});

test("an id that UTF-8 does not hold is stored, and takes no neighbour with it", async () => {
  const { join } = stage();
  const { driver } = await join();
  const ids = ["\ud800", "\udfff", "b"];
  const stored = ids.map(() => ({ status: "stored" }));
  expect(await driver.push(ids.map((id) => item(id)))).toEqual(stored);
  for (const id of ids) expect((await driver.records?.get(id))?.id).toBe(id);
});

test("an id that looks like the short form of a long one is another", async () => {
  const { join } = stage();
  const { driver } = await join();
  const long = "x".repeat(200);
  const short = `${"x".repeat(24)}~${createHash("sha256").update(long).digest("base64url")}`;
  expect(await driver.push([item(long)])).toEqual([{ status: "stored" }]);
  expect(await driver.push([item(short)])).toEqual([{ status: "stored" }]);
});

test("what a closing client ends on its way is unknown, and not failed", async () => {
  const { join } = stage();
  const { driver, client } = await join();
  client.onTransact = async (writes, send) => {
    if (writes.length < 3) return send();
    await send();
    await client.inner.close();
    throw new JobferryError("CLOSED", "The client is closed.");
  };
  expect(await driver.push([item("a")])).toEqual([{ status: "unknown" }]);
});
