/** A server that takes smaller messages than the driver thinks. */
import { describe, expect, it } from "vitest";
import { createJob } from "../../src/entry/index.ts";
import { rabbitmqQueue } from "../../src/entry/rabbitmq.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { startStopwatch } from "../stalls/stopwatch.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { BOTH, drain, item, opened, takeOne } from "./brokers.ts";
import { freshPrefix } from "./target.ts";

const MAX = 1_000_000;
const TOO_LARGE = Buffer.alloc(MAX + 1);

for (const name of BOTH) {
  describe.runIf(await isServerAvailable(name))(`${name} with a max_message_size of ${MAX}`, () => {
    it("what is larger is refused once and for all, with the option to set; with the option it is not even sent", async () => {
      await using server = await startServer(name, { plugins: [], maxMessageSize: MAX });
      const settings = { prefix: freshPrefix(), settle: 0, logger: silentLogger, pushTimeout: "20s" } as const;
      const queue = await rabbitmqQueue(server.url, settings).open();
      // What is declared first takes seconds on a new server.
      await queue.push(createJob("first"));
      await (await queue.pop({ wait: "10s" }))?.complete();
      const took = await startStopwatch();
      const refused = queue.push(createJob(TOO_LARGE));
      await expect(refused).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE", retryable: false });
      await expect(refused).rejects.toThrow(`Set the option maxMessageBytes to ${MAX}`);
      expect(await took()).toBeLessThan(5_000);
      await queue.push(createJob("small"));
      const small = await queue.pop({ wait: "5s" });
      expect(small?.payload).toBe("small");
      await small?.complete();
      await queue.close();

      const knowing = await rabbitmqQueue(server.url, { ...settings, maxMessageBytes: MAX }).open();
      const most = knowing.capabilities.payload.maxBytes;
      expect(most).toBeLessThan(MAX);
      await expect(knowing.push(createJob(Buffer.alloc(most + 1)))).rejects.toMatchObject({
        code: "PAYLOAD_TOO_LARGE",
        retryable: false,
      });
      await knowing.push(createJob(Buffer.alloc(most)));
      expect((await knowing.pop({ wait: "5s" }))?.payload).toHaveLength(most);
      await knowing.close();

      // The server ends the channel with all that is on it, so only the first one may reach it.
      const { driver } = await opened({ url: server.url });
      const [first] = await driver.push([item({ payload: TOO_LARGE })]);
      expect(first).toMatchObject({ status: "failed", error: { code: "PAYLOAD_TOO_LARGE" } });
      const mixed = await driver.push([item({ id: "a" }), item({ payload: TOO_LARGE }), item({ id: "b" })]);
      expect(mixed.map(({ status }) => status)).toEqual(["stored", "refused", "stored"]);
      expect(await drain(driver)).toEqual(["a", "b"]);
      await driver.close();
    });

    it("a job that was stored just below it can fail all the same: without the stack that does not fit", async () => {
      await using server = await startServer(name, { plugins: [], maxMessageSize: MAX });
      const { driver } = await opened({ url: server.url });
      expect(await driver.push([item({ payload: Buffer.alloc(MAX - 10_000) })])).toEqual([{ status: "stored" }]);
      const reservation = await takeOne(driver);
      const failure = { code: "HANDLER_FAILED", name: "Error", message: "no ".repeat(100), stack: "x".repeat(20_000) };
      const fail = async () => driver.finish([{ reservation, outcome: "fail", threw: true, failure }]);
      // The first one ends the connection: nobody knew the limit.
      expect(await fail()).toEqual(["unknown"]);
      await expect.poll(fail, { timeout: 10_000 }).toEqual(["ok"]);
      expect(await driver.deadLetters?.retry({ queue: "work", max: 10 })).toBe(1);
      const again = await takeOne(driver);
      expect(again.job.payload).toHaveLength(MAX - 10_000);
      await driver.close();
    });
  });
}
