/** Users, their tokens and rights; TLS with and without a certificate of the client. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { etcdQueue } from "jobferry/etcd";
import { base64, etcdGateway, etcdToken } from "../../scripts/servers/etcd-gateway.ts";
import { etcdCoordinationStore } from "../../src/drivers/etcd/index.ts";
import type { EtcdStoreOptions } from "../../src/drivers/etcd/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { expectReadOnly } from "../faults/read-only-queue.ts";
import { startTcpProxy } from "../faults/tcp-proxy.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { bytesOf, storeOn, textOf, until } from "./stage.ts";

const SECRET = "s3cr3t-word";

for (const name of ["etcd", "etcd-3.4"] as const) {
  describe.runIf(await isServerAvailable(name))(`users of ${name}`, async () => {
    const server = await startServer(name, { password: SECRET, durable: true });
    afterAll(() => server.remove());
    const endpoints = [`${server.host}:${server.port}`];
    const root = { endpoints, username: "root", password: SECRET };
    const admin = async (path: string, body: Readonly<Record<string, unknown>>): Promise<void> => {
      const token = await etcdToken(server, "root", SECRET);
      await etcdGateway({ port: server.port, token }, path, body);
    };
    const makeUser = async (user: string, permission: "READ" | "READWRITE", prefix: string): Promise<void> => {
      await admin("/v3/auth/user/add", { name: user, password: SECRET });
      await admin("/v3/auth/role/add", { name: user });
      const perm = { permType: permission, key: base64(`${prefix}/`), range_end: base64(`${prefix}0`) };
      await admin("/v3/auth/role/grant", { name: user, perm });
      await admin("/v3/auth/user/grant", { user, role: user });
    };
    const put = { put: "a/b/c", value: bytesOf("1") };

    it("a user with the role that the documentation names does everything", async () => {
      await makeUser("app", "READWRITE", "users-app");
      await using store = await storeOn({ endpoints, username: "app", password: SECRET, prefix: "users-app" });
      const session = await store.openSession(10_000);
      expect(await store.transact([{ session: session.id }], [{ ...put, session: session.id }])).toMatchObject({
        ok: true,
      });
      expect(await session.renew()).toBe("ok");
      const seen: string[] = [];
      const stop = new AbortController();
      const watching = (async () => {
        for await (const event of store.watch("a/b/", { signal: stop.signal }))
          seen.push(...event.entries.map(({ value }) => textOf(value)));
      })();
      await until(() => seen.includes("1"), 5_000);
      await store.transact([], [{ ...put, value: bytesOf("2") }]);
      await until(() => seen.includes("2"), 5_000);
      await session.close();
      expect(await session.renew()).toBe("lost");
      stop.abort();
      await watching;
    });

    it("a restart of the server ends its tokens: the next calls and watches get another one by themselves", async () => {
      await using store = await storeOn(root);
      await store.transact([], [put]);
      await server.kill();
      await server.restart();
      // The connection is broken, which a first call may have to find out.
      await until(async () => (await store.get("a/b/c").catch(() => undefined)) !== undefined, 10_000);
      expect(await store.transact([], [put])).toMatchObject({ ok: true });
      for await (const { entries } of store.watch("a/b/", { signal: AbortSignal.timeout(10_000) })) {
        expect(entries.map(({ key }) => key)).toEqual(["a/b/c"]);
        break;
      }
    });

    it("a token that the server has forgotten while the connection stands is renewed once, for a watch on the old stream too", async () => {
      await using proxy = await startTcpProxy(server);
      await using store = await storeOn({ ...root, endpoints: [`${proxy.host}:${proxy.port}`] });
      await store.transact([], [put]);
      const seen: string[] = [];
      const stop = new AbortController();
      const follow = async (): Promise<void> => {
        for await (const event of store.watch("a/b/", { signal: stop.signal })) seen.push(event.kind);
      };
      const first = follow();
      await until(() => seen.length === 1, 5_000);
      // Every change of the users makes the tokens that were given before it old.
      await admin("/v3/auth/role/add", { name: `role-${Date.now()}` });
      expect(await store.transact([], [put])).toMatchObject({ ok: true });
      await admin("/v3/auth/role/add", { name: `other-${Date.now()}` });
      const second = follow();
      await until(() => seen.filter((kind) => kind === "reset").length === 2, 5_000);
      const before = seen.length;
      await store.transact([], [put]);
      await until(() => seen.length >= before + 2, 5_000);
      expect(proxy.counts.accepted).toBe(1);
      stop.abort();
      await Promise.all([first, second]);
    });

    it("a role that may only read opens no queue", async () => {
      await makeUser("queue-reader", "READ", "users-queue");
      const place = { prefix: "users-queue", logger: silentLogger };
      await using writer = etcdQueue(endpoints, { ...place, username: "root", password: SECRET });
      const reader = etcdQueue(endpoints, { ...place, username: "queue-reader", password: SECRET });
      await expectReadOnly(reader, writer, /may not read and write the keys under "users-queue\/".*readwrite/);
    });

    const openError = async (options: EtcdStoreOptions): Promise<unknown> => {
      const store = etcdCoordinationStore(options);
      try {
        await store.open({ clock: systemClock });
      } catch (error) {
        return error;
      } finally {
        await store.close();
      }
      throw new Error("it opened");
    };

    it("no user, a wrong password, a role that may only read: ACCESS_DENIED, and no secret in it", async () => {
      await makeUser("reader", "READ", "users-reader");
      const reader = { endpoints, username: "reader", password: SECRET, prefix: "users-reader" };
      for (const [options, words] of [
        [{ endpoints }, /wants a user/],
        [{ endpoints, username: "root", password: `not ${SECRET}` }, /refused the user name or password/],
        [{ endpoints, username: "nobody", password: SECRET }, /refused the user name or password/],
        [reader, /role grant-permission ROLE readwrite users-reader\/ --prefix/],
      ] as const) {
        const error = await openError(options);
        expect(error).toMatchObject({ code: "ACCESS_DENIED", retryable: false, message: expect.stringMatching(words) });
        expect(String((error as Error).stack)).not.toContain(SECRET);
      }
    });

    it("a login where the server knows no users is refused, not ignored", async () => {
      await using open = await startServer(name);
      const options = { endpoints: [`${open.host}:${open.port}`], username: "app", password: SECRET };
      expect(await openError(options)).toMatchObject({
        code: "ACCESS_DENIED",
        message: expect.stringMatching(/knows no users/),
      });
    });

    it("TLS: with the authority and a certificate of the client it works, and without either not", async () => {
      await using secured = await startServer(name, { tls: true, clientCertificate: true });
      const ca = readFileSync(secured.ca ?? "");
      const key = readFileSync(join(dirname(secured.ca ?? ""), "key.pem"));
      const full = { url: secured.url, tls: { ca, cert: ca, key } };
      await using store = await storeOn(full);
      await store.transact([], [put]);
      expect(textOf((await store.get("a/b/c"))?.value)).toBe("1");
      const byEndpoints = { endpoints: [`https://${secured.host}:${secured.port}`], tls: full.tls };
      await using other = await storeOn(byEndpoints);
      expect(other.name).toBe("etcd");
      for (const tls of [{}, { ca }, { cert: ca, key }])
        expect(await openError({ url: secured.url, tls })).toMatchObject({
          code: "ACCESS_DENIED",
          message: expect.stringMatching(/TLS handshake/),
        });
    });

    it("TLS and users together", async () => {
      await using secured = await startServer(name, { tls: true, password: SECRET });
      const url = secured.url.replace("://", `://root:${SECRET}@`);
      await using store = await storeOn({ url, tls: { ca: readFileSync(secured.ca ?? "") } });
      expect(await store.transact([], [put])).toMatchObject({ ok: true });
    });
  });
}
