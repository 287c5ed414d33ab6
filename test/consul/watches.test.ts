// What watches cost: connections and requests.
import { describe, expect, test } from "vitest";
import type { CoordinationStore, WatchEvent } from "../../src/contract/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { LosingProxy } from "./losing-proxy.ts";
import { bytes, openStore } from "./stage.ts";

const server = await sharedServer("consul");

/** Everything that a watch tells, until the signal fires. */
function heard(store: CoordinationStore, prefix: string, signal: AbortSignal): WatchEvent[] {
  const events: WatchEvent[] = [];
  void (async () => {
    for await (const event of store.watch(prefix, { signal })) events.push(event);
  })().catch((error: unknown) => {
    // After the test nobody asks; before, its next look says what happened.
    if (!signal.aborted) events.push(error as WatchEvent);
  });
  return events;
}

const put = (store: CoordinationStore, key: string, value = "x"): Promise<unknown> =>
  store.transact([], [{ put: key, value: bytes(value) }]);

describe.runIf(server !== undefined)("watches of consul", () => {
  const target = { host: "127.0.0.1", port: server?.port ?? 0 };

  test("a hundred of one client share connections, and each hears its own prefix", async () => {
    await using proxy = await LosingProxy.start(target);
    const store = await openStore(`127.0.0.1:${proxy.port}`);
    const stop = new AbortController();
    const names = Array.from({ length: 100 }, (_, n) => `a/locks/${String(n).padStart(3, "0")}/`);
    for (const name of names) await put(store, `${name}k`);
    const events = names.map((name) => heard(store, name, stop.signal));
    await expect.poll(() => events.every((list) => list.length === 1), { timeout: 10_000 }).toBe(true);
    // 20 of prefixes, one of the area, and those of calls.
    expect(await proxy.connections()).toBeLessThanOrEqual(20 + 1 + 16);
    for (const at of [3, 50, 99]) {
      await put(store, `${names[at]}k`, "changed");
      await expect.poll(() => events[at]?.length, { timeout: 20_000 }).toBe(2);
      expect(events[at]?.[1]).toMatchObject({ kind: "change", removed: [], entries: [{ key: `${names[at]}k` }] });
    }
    expect(events.filter((list) => list.length > 1).length).toBe(3);
    stop.abort();
  });

  test("several of one prefix are one query", async () => {
    await using proxy = await LosingProxy.start(target);
    const store = await openStore(`127.0.0.1:${proxy.port}`);
    const stop = new AbortController();
    await put(store, "a/b/k");
    const events = Array.from({ length: 8 }, () => heard(store, "a/b/", stop.signal));
    await expect.poll(() => events.every((list) => list.length === 1)).toBe(true);
    await put(store, "a/b/k", "changed");
    await expect.poll(() => events.every((list) => list.length === 2)).toBe(true);
    expect(proxy.total("WAIT")).toBeLessThanOrEqual(3);
    stop.abort();
    // Who comes when the last one has just left is not forgotten.
    const again = new AbortController();
    const late = heard(store, "a/b/", again.signal);
    await expect.poll(() => late.length).toBe(1);
    await put(store, "a/b/k", "once more");
    await expect.poll(() => late.length).toBe(2);
    again.abort();
  });

  test("a prefix without keys, which Consul wakes for whatever is written beside it, asks seldom and still hears", async () => {
    await using proxy = await LosingProxy.start(target);
    const store = await openStore(`127.0.0.1:${proxy.port}`);
    const stop = new AbortController();
    const events = heard(store, "a/empty/", stop.signal);
    await expect.poll(() => events.length).toBe(1);
    const before = proxy.total("WAIT");
    const end = performance.now() + 1_500;
    let writes = 0;
    for (; performance.now() < end; writes += 1) await put(store, `a/other/${writes % 5}`, String(writes));
    const asked = proxy.total("WAIT") - before;
    console.log(`${writes} writes beside a watch of nothing: ${asked} queries`);
    expect(asked).toBeGreaterThan(2);
    expect(asked).toBeLessThan(40);
    await put(store, "a/empty/k");
    await expect.poll(() => events.length, { timeout: 20_000 }).toBe(2);
    stop.abort();
  });
});
