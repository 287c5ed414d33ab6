/** What we write, etcd's own tool reads, and the other way round. */
import { describe, expect, it } from "vitest";
import { createJob } from "jobferry";
import { etcdQueue } from "jobferry/etcd";
import { silentLogger } from "../../src/runtime/index.ts";
import { HEAD, JOB, PAYLOAD, readJob } from "../faults/read-job.ts";
import { isServerAvailable, sharedServer } from "../servers/shared-server.ts";
import { bytesOf, etcdctl, storeOn, textOf, until } from "./stage.ts";

type Found = Readonly<{ kvs?: readonly Readonly<{ value: string }>[] }>;

const hasTool = await isServerAvailable("etcd-3.4");

for (const name of ["etcd", "etcd-3.4"] as const) {
  const server = await sharedServer(name);
  describe.runIf(server !== undefined && hasTool)(`etcdctl on ${name}`, () => {
    const { port = 0 } = server ?? {};
    const endpoints = [`127.0.0.1:${port}`];

    it("reads keys, sessions and the layout where the documentation says that they are", async () => {
      await using store = await storeOn({ endpoints, prefix: `tools-${name}` });
      const session = await store.openSession(60_000);
      await store.transact(
        [],
        [
          { put: "cluster/nodes/a", value: bytesOf("hello, ü") },
          { put: "cluster/nodes/b", value: bytesOf("owned"), session: session.id },
        ],
      );
      const lines = (await etcdctl({ port }, "get", "--prefix", `tools-${name}/`)).trimEnd().split("\n");
      expect(lines).toEqual([
        ...[`tools-${name}/keys/cluster/nodes/a`, "hello, ü"],
        ...[`tools-${name}/keys/cluster/nodes/b`, "owned"],
        ...[`tools-${name}/layout`, "1"],
        // Its value is empty.
        `tools-${name}/sessions/${session.id}`,
      ]);
      expect(await etcdctl({ port }, "lease", "list")).toContain(session.id);
      const { version } = (await store.get("cluster/nodes/a")) ?? {};
      const shown = await etcdctl({ port }, "get", `tools-${name}/keys/cluster/nodes/a`, "--write-out=json");
      expect(shown).toContain(`"mod_revision":${version}`);
      await session.close();
      expect(await etcdctl({ port }, "get", "--prefix", `tools-${name}/sessions/`)).toBe("");
      await etcdctl({ port }, "del", "--prefix", `tools-${name}/`);
    });

    it("reads a job where the documentation says that it is, and as what", async () => {
      const prefix = `tools-jobs-${name}`;
      await using queue = etcdQueue(endpoints, { prefix, logger: silentLogger });
      await queue.push(createJob(PAYLOAD, JOB));
      const find = async (kind: string): Promise<readonly Buffer[]> => {
        const words = ["get", "--prefix", `${prefix}/keys/jobs/${kind}.`, "--write-out=json"];
        const { kvs = [] } = JSON.parse(await etcdctl({ port }, ...words)) as Found;
        return kvs.map(({ value }) => Buffer.from(value, "base64"));
      };
      const [ready, ...others] = await find("r");
      expect(others).toEqual([]);
      expect(readJob(ready ?? Buffer.of())).toMatchObject({ head: HEAD, payload: PAYLOAD });
      await (await queue.pop({ queue: "mails" }))?.fail(new Error("no good"));
      expect(await find("r")).toEqual([]);
      const [failed] = await find("f");
      const { head, payload } = readJob(failed ?? Buffer.of());
      expect(head).toMatchObject({ ...HEAD, attempts: 1, exceptions: 1, failure: { message: "no good" } });
      expect(payload).toEqual(PAYLOAD);
      await queue.clear();
      await queue.flushFailed();
    });

    it("puts and deletes what we get and watch; a lease that it revokes is lost", async () => {
      await using store = await storeOn({ endpoints, prefix: `tools-${name}` });
      const state = new Map<string, string>();
      const stop = new AbortController();
      const watching = (async () => {
        for await (const event of store.watch("cluster/nodes/", { signal: stop.signal })) {
          for (const { key, value } of event.entries) state.set(key, textOf(value));
          if (event.kind === "change") for (const key of event.removed) state.delete(key);
        }
      })();
      await etcdctl({ port }, "put", `tools-${name}/keys/cluster/nodes/c`, "theirs");
      await until(() => state.get("cluster/nodes/c") === "theirs", 5_000);
      expect(textOf((await store.get("cluster/nodes/c"))?.value)).toBe("theirs");
      await etcdctl({ port }, "del", `tools-${name}/keys/cluster/nodes/c`);
      await until(() => state.size === 0, 5_000);

      const session = await store.openSession(60_000);
      expect(await session.renew()).toBe("ok");
      await etcdctl({ port }, "lease", "revoke", session.id);
      expect(await session.renew()).toBe("lost");
      stop.abort();
      await watching;
      await etcdctl({ port }, "del", "--prefix", `tools-${name}/`);
    });
  });
}
