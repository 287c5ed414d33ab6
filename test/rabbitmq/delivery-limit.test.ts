/** How often a job may be lost says the job: the server's own limit (20 on 4.0, unless told otherwise) never decides, and one that an operator sets loses no job. */
import { describe, expect, it } from "vitest";
import type { Driver, Reservation } from "../../src/contract/index.ts";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import type { TcpProxy } from "../faults/tcp-proxy.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { BOTH, item, opened, takeOne, untilWorks } from "./brokers.ts";
import { api } from "./management.ts";
import { freshPrefix } from "./target.ts";

const ROUNDS = 25;

const taken = (driver: Driver): Promise<Reservation> => untilWorks(() => takeOne(driver), 20_000);

/** As SIGKILL of a worker does it. */
async function takeAndLose(driver: Driver, proxy: TcpProxy): Promise<Reservation> {
  const held = await taken(driver);
  proxy.cut("reset");
  // Until it has noticed.
  await expect.poll(() => driver.extend([{ reservation: held, leaseMs: 1_000 }])).toEqual(["lost"]);
  return held;
}

for (const name of BOTH) {
  const server = await sharedServer(name);
  if (server === undefined) continue;

  describe(`the delivery limit of ${name} ${server.version}`, () => {
    it("a job that is lost more often than the server allows by itself is there still, with all of its losses", async () => {
      await using proxy = await startTcpProxy(server);
      const { driver } = await opened({ url: `amqp://127.0.0.1:${proxy.port}` });
      await driver.push([item({ id: "unlucky", maxLosses: ROUNDS + 5 })]);
      for (let losses = 0; losses < ROUNDS; losses += 1)
        expect((await takeAndLose(driver, proxy)).job).toMatchObject({ id: "unlucky", losses });
      const again = await taken(driver);
      expect(again.job).toMatchObject({ id: "unlucky", losses: ROUNDS, attempts: ROUNDS + 1 });
      expect(await driver.finish([{ reservation: again, outcome: "done" }])).toEqual(["ok"]);
      expect(await driver.stats("work")).toMatchObject({ pending: 0, failed: 0 });
      await driver.close();
    });

    it("one that an operator sets moves the job to failed, from where it comes back", async () => {
      const prefix = freshPrefix();
      const policy = { pattern: `^${prefix}\\.jobs`, definition: { "delivery-limit": 2 }, "apply-to": "queues" };
      await api(server, "PUT", `policies/%2F/${prefix}`, policy);
      await using proxy = await startTcpProxy(server);
      const { driver } = await opened({ url: `amqp://127.0.0.1:${proxy.port}`, prefix });
      await driver.push([item({ id: "unlucky", maxLosses: 30 })]);
      for (let losses = 0; losses < 3; losses += 1)
        expect((await takeAndLose(driver, proxy)).job).toMatchObject({ id: "unlucky", losses });
      await expect.poll(() => untilWorks(() => driver.stats("work"), 5_000)).toMatchObject({ pending: 0, failed: 1 });
      await api(server, "DELETE", `policies/%2F/${prefix}`);
      expect(await driver.deadLetters?.retry({ queue: "work", max: 1 })).toBe(1);
      expect((await taken(driver)).job).toMatchObject({ id: "unlucky", losses: 0 });
      await driver.close();
    });
  });
}
