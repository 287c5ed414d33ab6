/** The list of queues is a stream, which is read from a member on the node of the connection: while that one is replaced, whoever reads waits. */
import { describe, expect, it } from "vitest";
import type { Driver } from "../../src/contract/index.ts";
import { rabbitmqctl } from "../../scripts/servers/rabbitmq.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { BOTH, item, opened } from "./brokers.ts";
import { freshPrefix } from "./target.ts";

/** In the broker: the processes of all streams die, twenty times in three seconds. */
const KILL_MEMBERS = `lists:foreach(fun(_) ->
  [exit(P, kill) || {_, P, _, _} <- supervisor:which_children(osiris_server_sup), is_pid(P)], timer:sleep(150)
end, lists:seq(1, 20)).`;

/** Reads the list until `over`, and gives the codes of what failed. */
async function codesOfReads(driver: Driver, over: Promise<unknown>): Promise<readonly string[]> {
  const codes: string[] = [];
  let isOver = false;
  over.finally(() => (isOver = true)).catch(() => undefined);
  while (!isOver) await driver.stats(undefined).catch((error: unknown) => codes.push(driver.classify(error).code));
  return codes;
}

/** Of eight processes that start at once, on a server that is new. */
const NEW_ONES = 8;

for (const name of BOTH) {
  describe.runIf(await isServerAvailable(name))(`the list of queues of ${name}`, () => {
    it("is made once by processes that start at once: no connection is ended for reading what another one is still making", async () => {
      await using own = await startServer(name, { plugins: [] });
      const prefix = freshPrefix();
      const started = Array.from({ length: NEW_ONES }, async () => {
        const { driver } = await opened({ url: own.url, prefix });
        const [pushed] = await driver.push([item()]);
        const queues = await driver.queues();
        await driver.close();
        return { pushed, queues };
      });
      expect(await Promise.all(started)).toEqual(
        started.map(() => ({ pushed: { status: "stored" }, queues: ["work"] })),
      );
    });

    it("is read on while its stream has no member on this node", async () => {
      await using own = await startServer(name, { plugins: [] });
      const { driver } = await opened({ url: own.url });
      await driver.push([item()]);
      const killed = rabbitmqctl(own, "eval", KILL_MEMBERS);
      const codes = await codesOfReads(driver, killed);
      expect((await killed).trim()).toBe("ok");
      // 3.10 can end the whole connection of one that reads at that moment (INTERNAL_ERROR); before, 17 to 18 in 570 reads were refused for good on both.
      expect(codes.filter((code) => code !== "UNAVAILABLE")).toEqual([]);
      // One that waited for its whole 5 s: a busy machine needs as long for a new member.
      if (!own.version.startsWith("3.")) expect(codes.length).toBeLessThan(4);
      // The last member may be dead still, and a count is 0 when the queue's leader is silent for 250 ms.
      await expect.poll(() => driver.stats("work"), { timeout: 20_000 }).toMatchObject({ pending: 1 });
      await driver.close();
    });
  });
}
