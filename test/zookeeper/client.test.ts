// Our client against real servers, what it wrote read by ZooKeeper's own command line.
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import {
  failureIn,
  readNames,
  readNode,
  readReadResults,
  readStat,
  readWriteResults,
  type WatchedEvent,
} from "../../src/drivers/zookeeper/client/replies.ts";
import { ANY, EVERYBODY, requests, type CreateMode } from "../../src/drivers/zookeeper/client/requests.ts";
import type { ZookeeperError } from "../../src/drivers/zookeeper/client/zookeeper-error.ts";
import { waitFor } from "../../scripts/servers/wait-until.ts";
import { zookeeperLeader } from "../../scripts/servers/zookeeper-cluster.ts";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import { isServerAvailable, sharedServer, startServer } from "../servers/shared-server.ts";
import { keptClient, serversAt } from "./raw-client.ts";
import { zkCli } from "./zk-cli.ts";

const bytes = (text: string): Buffer => Buffer.from(text);
const create = (path: string, data = "", mode: CreateMode = "persistent", acl = EVERYBODY) =>
  ({ op: "create", path, data: bytes(data), mode, acl }) as const;

async function failure(call: Promise<unknown>): Promise<ZookeeperError> {
  return (await call.then(
    () => new Error("it did not fail"),
    (error: unknown) => error,
  )) as ZookeeperError;
}

for (const name of ["zookeeper", "zookeeper-3.8"] as const) {
  const server = await sharedServer(name);
  describe.runIf(server !== undefined)(`client on ${name}`, () => {
    const ports = [server?.port ?? 0];
    const root = (): string => `/client-${randomUUID()}`;

    it("creates, reads, changes, lists, deletes, and is read by zkCli", async () => {
      if (server === undefined) return;
      await using client = await keptClient(serversAt(ports));
      const path = root();
      const binary = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
      await client.call(requests.write(create(path, "first ä€")));
      expect(await zkCli(server, ["get", path])).toContain("first ä€");
      await client.call(requests.write({ op: "setData", path, data: bytes("second"), version: 0 }));
      const { body, zxid } = await client.call(requests.write({ op: "setData", path, data: binary, version: 1 }));
      expect(readStat(body)).toMatchObject({ mzxid: zxid, version: 2, owner: 0n });
      const { data, stat } = readNode((await client.callBoth(requests.sync(path), requests.getData(path))).body);
      expect(data.equals(binary)).toBe(true);
      expect(readStat((await client.call(requests.exists(path))).body)).toEqual(stat);
      await client.call(requests.write(create(`${path}/b`)));
      await client.call(requests.write(create(`${path}/a`)));
      const listed = readNames((await client.call(requests.getChildren2(path))).body);
      expect(new Set(listed)).toEqual(new Set(["a", "b"]));
      expect(await zkCli(server, ["ls", path])).toContain("[a, b]");
      await client.call(requests.write({ op: "delete", path: `${path}/a`, version: 0 }));
      const gone = await failure(client.call(requests.getData(`${path}/a`)));
      expect(gone).toMatchObject({ kind: "answer", code: -101, path: `${path}/a` });
    });

    it("reads what zkCli wrote", async () => {
      if (server === undefined) return;
      const path = root();
      await zkCli(server, ["create", path, "from-zkCli"]);
      await using client = await keptClient(serversAt(ports));
      expect(readNode((await client.call(requests.getData(path))).body).data.toString()).toBe("from-zkCli");
    });

    it("makes ephemeral nodes, containers and nodes with a time to live", async () => {
      const path = root();
      await using client = await keptClient(serversAt(ports));
      await client.call(requests.write(create(path)));
      const other = await keptClient(serversAt(ports));
      await other.call(requests.write(create(`${path}/ephemeral`, "", "ephemeral")));
      await other.call(requests.write(create(`${path}/container`, "", "container")));
      await other.call(requests.write(create(`${path}/ttl`, "", { ttlMs: 3_000 })));
      await other.call(requests.write(create(`${path}/container/x`)));
      const names = async (): Promise<readonly string[]> =>
        readNames((await client.callBoth(requests.sync(path), requests.getChildren2(path))).body);
      expect((await names()).length).toBe(3);
      await other.close();
      expect(await names()).not.toContain("ephemeral");
      await client.call(requests.write({ op: "delete", path: `${path}/container/x`, version: ANY }));
      // This server looks once a second.
      await expect.poll(names, { timeout: 15_000, interval: 50 }).toEqual([]);
    });

    it("writes several at once or none, and tells which failed", async () => {
      const path = root();
      await using client = await keptClient(serversAt(ports));
      await client.call(requests.write(create(path)));
      const good = await client.call(
        requests.multi([create(`${path}/a`), create(`${path}/b`), { op: "check", path, version: 0 }]),
      );
      expect(readWriteResults(good.body).map(({ code }) => code)).toEqual([0, 0, 0]);
      const bad = await client.call(
        requests.multi([
          { op: "delete", path: `${path}/a`, version: ANY },
          { op: "check", path, version: 7 },
          { op: "setData", path, data: bytes("x"), version: ANY },
        ]),
      );
      expect(failureIn(readWriteResults(bad.body))).toEqual({ index: 1, code: -103 });
      const read = await client.call(
        requests.multiRead([
          { op: "getData", path },
          { op: "getChildren", path },
          { op: "getData", path: `${path}/none` },
        ]),
      );
      expect(readReadResults(read.body)).toMatchObject([
        { kind: "node", node: { stat: { version: 0 } } },
        { kind: "names", names: expect.arrayContaining(["a", "b"]) as unknown },
        { kind: "error", code: -101 },
      ]);
    });

    it("hears every change below a watched node, over a broken connection too, on the same session", async () => {
      const path = root();
      await using proxy = await startTcpProxy({ host: "127.0.0.1", port: ports[0] ?? 0 });
      const heard: WatchedEvent[] = [];
      let reconnections = 0;
      await using watcher = await keptClient(serversAt([proxy.port]), heard, () => (reconnections += 1));
      await using writer = await keptClient(serversAt(ports));
      await watcher.watch(path);
      await watcher.call(requests.write(create(`${path}`)));
      await watcher.call(requests.write(create(`${path}/mine`, "", "ephemeral")));
      await writer.call(requests.write(create(`${path}/a`)));
      await expect.poll(() => heard.map((event) => event.path)).toEqual([path, `${path}/mine`, `${path}/a`]);
      proxy.cut("reset");
      await expect.poll(() => reconnections).toBe(1);
      await writer.call(requests.write({ op: "setData", path: `${path}/a`, data: bytes("2"), version: ANY }));
      await expect.poll(() => heard.at(-1)).toEqual({ type: 3, path: `${path}/a` });
      // The session is the same: what it owns is there.
      const names = readNames((await writer.callBoth(requests.sync(path), requests.getChildren2(path))).body);
      expect(names).toContain("mine");
    });

    it("sends calls one behind the other, and answers are each one's own", async () => {
      const path = root();
      await using client = await keptClient(serversAt(ports));
      await client.call(requests.write(create(path)));
      const all = Array.from({ length: 1_000 }, (_, n) => n);
      await Promise.all(all.map((n) => client.call(requests.write(create(`${path}/${n}`, String(n))))));
      const read = await Promise.all(all.map((n) => client.call(requests.getData(`${path}/${n}`))));
      expect(read.map(({ body }) => readNode(body).data.toString())).toEqual(all.map(String));
      // More than may wait for answers: the rest is refused at once, and nothing is kept for it.
      const many = await Promise.allSettled(Array.from({ length: 5_000 }, () => client.call(requests.getData(path))));
      const refused = many.flatMap((one) => (one.status === "rejected" ? [one.reason as ZookeeperError] : []));
      expect(refused.length).toBe(5_000 - 4_096);
      expect(refused[0]?.kind).toBe("refused");
    });

    it("checks sizes before sending; one byte less works", async () => {
      const path = root();
      await using client = await keptClient(serversAt(ports));
      await client.call(requests.write(create(path)));
      const set = (size: number) =>
        client.call(requests.write({ op: "setData", path, data: Buffer.alloc(size), version: ANY }));
      const overhead = 8 + 4 + path.length + 4 + 4;
      expect(await failure(set(1_048_576 - overhead))).toMatchObject({ kind: "size" });
      await set(1_048_575 - overhead);
      expect(readNode((await client.call(requests.getData(path))).body).data.length).toBe(1_048_575 - overhead);
    });

    it("logs in by digest, and who does not cannot read", async () => {
      const path = root();
      const login = { scheme: "digest", username: "me", password: "a secret:with colons" } as const;
      const id = `me:${createHash("sha1").update("me:a secret:with colons").digest("base64")}`;
      await using mine = await keptClient(serversAt(ports, { login }));
      await mine.call(
        requests.write(create(path, "hidden", "persistent", [{ permissions: 31, scheme: "digest", id }])),
      );
      await using other = await keptClient(serversAt(ports));
      expect(await failure(other.call(requests.getData(path)))).toMatchObject({ kind: "answer", code: -102 });
      expect(readNode((await mine.call(requests.getData(path))).body).data.toString()).toBe("hidden");
    });

    it("gives a call that is not answered up after its time, and goes on", async () => {
      const path = root();
      await using proxy = await startTcpProxy({ host: "127.0.0.1", port: ports[0] ?? 0 });
      await using client = await keptClient(serversAt([proxy.port], { callMs: 500 }));
      await client.call(requests.write(create(path)));
      proxy.halfOpen();
      expect(await failure(client.call(requests.getData(path)))).toMatchObject({ kind: "lost" });
      proxy.cut("reset");
      await proxy.pass();
      await client.call(requests.getData(path));
    });
  });

  describe.runIf(await isServerAvailable(name))(`client on a ${name} of its own`, () => {
    it("TLS, with a checked certificate", async () => {
      await using own = await startServer(name, { tls: true });
      const ca = readFileSync(own.ca ?? "");
      await using client = await keptClient(serversAt([own.port], { tls: { ca } }));
      await client.call(requests.write(create("/a", "x")));
      expect(await failure(keptClient(serversAt([own.port], { tls: {} })))).toMatchObject({ kind: "tls" });
      expect(await failure(keptClient(serversAt([own.port])))).toMatchObject({
        kind: expect.stringMatching(/tls|refused/) as unknown,
      });
    });

    it("SASL DIGEST-MD5, also again after the server was killed", async () => {
      await using own = await startServer(name, { password: "right", durable: true });
      const login = { scheme: "sasl", username: "jobferry", password: "right" } as const;
      await using client = await keptClient(serversAt([own.port], { login }));
      await client.call(requests.write(create("/a", "x")));
      await own.kill();
      await own.restart();
      await expect
        .poll(async () => readNode((await client.call(requests.getData("/a"))).body).data.toString(), {
          timeout: 20_000,
        })
        .toBe("x");
      const wrong = { ...login, password: "wrong" };
      expect(await failure(keptClient(serversAt([own.port], { login: wrong })))).toMatchObject({
        kind: "answer",
        code: expect.toBeOneOf([-115, -124]) as unknown,
      });
      await using none = await keptClient(serversAt([own.port]));
      expect(await failure(none.call(requests.getData("/a")))).toMatchObject({ kind: "answer", code: -124 });
    });

    it("no nodes with a time to live where the server has them off", async () => {
      await using own = await startServer(name, { ttlNodes: false });
      await using client = await keptClient(serversAt([own.port]));
      expect(await failure(client.call(requests.write(create("/a", "", { ttlMs: 1_000 }))))).toMatchObject({
        code: -6,
      });
    });

    it("a request beyond the server's own limit: the lost connection says what it may be", async () => {
      await using own = await startServer(name, { args: ["-Djute.maxbuffer=20000"] });
      await using client = await keptClient(serversAt([own.port]));
      const error = await failure(client.call(requests.write(create("/a", "x".repeat(30_000)))));
      expect(error).toMatchObject({
        kind: "lost",
        message: expect.stringMatching(/jute\.maxbuffer.*maxRequestBytes/) as unknown,
      });
    });
  });
}

describe.runIf(await isServerAvailable("zookeeper-cluster"))("client on three servers", () => {
  it("goes to another with its session when its server is killed, paused or cut off", async () => {
    await using cluster = await startServer("zookeeper-cluster");
    const ports = cluster.nodes.map(({ port }) => port);
    const servers = serversAt(ports, { callMs: 1_000 });
    const heard: WatchedEvent[] = [];
    await using client = await keptClient(servers, heard);
    await client.call(requests.write(create("/kept", "")));
    await client.call(requests.write(create("/kept/mine", "", "ephemeral")));
    await client.watch("/kept");
    const leader = await waitFor("a leader", () => zookeeperLeader(cluster));
    await leader.kill();
    const writes = async (): Promise<string> => {
      try {
        await client.call(requests.write({ op: "setData", path: "/kept", data: bytes("x"), version: ANY }));
        return "written";
      } catch (error) {
        return (error as ZookeeperError).kind;
      }
    };
    await expect.poll(writes, { timeout: 20_000, interval: 50 }).toBe("written");
    const names = readNames((await client.callBoth(requests.sync("/kept"), requests.getChildren2("/kept"))).body);
    expect(names, "the session is the same").toEqual(["mine"]);
    await expect.poll(() => heard.some(({ path }) => path === "/kept")).toBe(true);
    await leader.restart();
    for (const node of cluster.nodes) {
      await node.pause();
      await expect.poll(writes, { timeout: 20_000, interval: 50 }).toBe("written");
      await node.resume();
      await delay(500);
    }
  });
});
