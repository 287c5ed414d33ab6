// A port that somebody takes between the look for it and the server's start: the start tries others.
import { type AddressInfo, createServer, type Server } from "node:net";
import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { guardian } from "../../scripts/servers/guarded.ts";
import { isServerAvailable, startServer } from "./shared-server.ts";

const taken = vi.hoisted(() => ({ port: 0, left: 0, asked: 0 }));

vi.mock(import("../../scripts/servers/free-port.ts"), async (original) => {
  const { freePort, freePorts } = await original();
  const first = (port: number): number => {
    taken.asked += 1;
    return taken.left-- > 0 ? taken.port : port;
  };
  return {
    freePort: async (also) => first(await freePort(also)),
    freePorts: async (count, also) => {
      const [port = 0, ...others] = await freePorts(count, also);
      return [first(port), ...others];
    },
  };
});

let occupier: Server;

beforeEach(async () => {
  occupier = createServer((socket) => socket.on("error", () => undefined).destroy());
  await new Promise<void>((resolve) => occupier.listen(0, "127.0.0.1", resolve));
  Object.assign(taken, { port: (occupier.address() as AddressInfo).port, left: 1, asked: 0 });
});
afterEach(() => occupier.close());

const KINDS = ["redis", "postgres", "etcd", "consul", "zookeeper", "consul-cluster"] as const;

describe.each(KINDS)("%s", async (name) => {
  it.runIf(await isServerAvailable(name))("takes other ports where one is taken", async () => {
    await using server = await startServer(name);
    expect(taken.asked).toBe(2);
    expect(server.port).not.toBe(taken.port);
    expect(server.nodes.map(({ pid }) => pid)).not.toContain(undefined);
  });
});

describe.runIf(await isServerAvailable("redis"))("three times", () => {
  it("and then it says why, and leaves nothing", async () => {
    taken.left = 3;
    const error = await startServer("redis").catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ name: "AddressInUse", message: expect.stringMatching(/already in use/i) as unknown });
    expect(taken.asked).toBe(3);
    const { root } = await guardian();
    expect(readdirSync(root).filter((entry) => entry.startsWith("redis-"))).toEqual([]);
  });

  it("but not for another reason", async () => {
    taken.left = 0;
    await expect(startServer("redis", { args: ["--no-such-option", "1"] })).rejects.toThrow(
      "ended before it was ready",
    );
    expect(taken.asked).toBe(1);
  });
});
