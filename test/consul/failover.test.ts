// Three servers of which one dies or hangs: the client goes to another, sessions live on, watches hear.
import { describe, expect, test } from "vitest";
import type { CoordinationStore } from "../../src/contract/index.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { bytes, openStore } from "./stage.ts";

const TTL_MS = 8_000;
/** Elections take longer than 20 s on a busy machine. */
const AFTER_A_VOTE = { timeout: 60_000, interval: 100 };

/** The state of a prefix as a program follows it: a watch that breaks is started again. */
function followed(store: CoordinationStore, prefix: string, signal: AbortSignal): Map<string, string> {
  const state = new Map<string, string>();
  void (async () => {
    while (!signal.aborted) {
      try {
        for await (const event of store.watch(prefix, { signal })) {
          if (event.kind === "reset") state.clear();
          else for (const key of event.removed) state.delete(key);
          for (const { key, value } of event.entries) state.set(key, Buffer.from(value).toString());
        }
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  })();
  return state;
}

describe.runIf(await isServerAvailable("consul-cluster"))("consul on three servers", () => {
  test.each(["kill", "pause"] as const)(
    "%s of the server that the client speaks with",
    async (fault) => {
      await using server = await startServer("consul-cluster");
      const addresses = server.nodes.map(({ port }) => `127.0.0.1:${port}`);
      const [first, ...others] = addresses;
      const options = { callTimeout: "1s", prefix: "test/failover" } as const;
      const store = await openStore([first ?? "", ...others], options);
      const writer = await openStore(others, options);
      const stop = new AbortController();
      const session = await store.openSession(TTL_MS);
      expect((await store.transact([], [{ put: "a/b/mine", value: bytes("1"), session: session.id }])).ok).toBe(true);
      const state = followed(store, "a/b/", stop.signal);
      await expect.poll(() => state.size).toBe(1);
      const renewing = setInterval(() => void session.renew().catch(() => undefined), 500);

      await server.nodes[0]?.[fault]();
      // Each under a name of its own: what a server that hung was asked for it may still do when it goes on.
      const put = async (name: string): Promise<boolean> =>
        writer.transact([], [{ put: `a/b/${name}`, value: bytes("1") }]).then(
          ({ ok }) => ok,
          () => false,
        );
      await expect.poll(() => put("during"), AFTER_A_VOTE).toBe(true);
      await expect.poll(() => state.has("a/b/during"), { timeout: 10_000, interval: 50 }).toBe(true);
      expect(state.get("a/b/mine"), "the session lives on").toBe("1");
      await expect.poll(() => session.renew().catch(() => "unknown"), { timeout: 20_000 }).toBe("ok");

      await (fault === "kill" ? server.nodes[0]?.restart() : server.nodes[0]?.resume());
      await expect.poll(() => put("after"), AFTER_A_VOTE).toBe(true);
      await expect.poll(() => state.has("a/b/after"), { timeout: 10_000, interval: 50 }).toBe(true);
      expect(state.get("a/b/mine")).toBe("1");
      clearInterval(renewing);
      stop.abort();
    },
    300_000,
  );
});
