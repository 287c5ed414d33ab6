// Queues whose login may not do all.
import { randomUUID } from "node:crypto";
import { createJob } from "jobferry";
import { expect, test } from "vitest";
import { zookeeperQueue, type ZookeeperQueueOptions } from "jobferry/zookeeper";
import { CREATOR, requests } from "../../src/drivers/zookeeper/client/requests.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { expectReadOnly } from "../faults/read-only-queue.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { keptClient, serversAt } from "./raw-client.ts";

const SECRET = "s3cr3t-word";
const server = await sharedServer("zookeeper");
const READ = 1;

test.runIf(server !== undefined).each([
  ["in a new root", false],
  ["in a root of everybody", true],
])("a login by SASL where the servers have none is refused, and says so, %s", async (_, isThere) => {
  const root = `/test-${randomUUID()}`;
  if (isThere) await (await zookeeperQueue(server?.url ?? "", { logger: silentLogger, root }).open()).close();
  const login = { username: "me", password: SECRET, authentication: "sasl" } as const;
  const queue = zookeeperQueue(server?.url ?? "", { logger: silentLogger, root, ...login });
  await expect(queue.open()).rejects.toMatchObject({
    code: "ACCESS_DENIED",
    retryable: false,
    message: expect.stringContaining("no SASL set up") as unknown,
  });
  await queue.close();
});

test.runIf(server !== undefined)("a login in a root of everybody, also a wrong one, locks nobody out", async () => {
  const { url = "" } = server ?? {};
  const root = `/test-${randomUUID()}`;
  await using open = await zookeeperQueue(url, { logger: silentLogger, root }).open();
  await open.push(createJob(1));
  {
    const login = { username: "anybody", password: SECRET };
    await using other = zookeeperQueue(url, { logger: silentLogger, root, ...login });
    await other.pushBatch([createJob(2), createJob(3, { queue: "new" }), createJob(4, { delay: "1h" })]);
    await (await other.pop())?.complete();
  }
  await open.push(createJob(5));
  await open.push(createJob(6, { queue: "new" }));
  expect(await open.getStats()).toMatchObject({ pendingJobs: 4, delayedJobs: 1, completedJobs: 1 });
  await (await open.pop({ queue: "new" }))?.complete();
  await open.clear("new");
  await using later = zookeeperQueue(url, { logger: silentLogger, root });
  expect((await later.pop({ wait: "5s" }))?.payload).toBeTypeOf("number");
});

test.runIf(server !== undefined).each([
  ["another login", { username: "other", password: SECRET }],
  ["no login, where everybody may read the root", {}],
])("a queue with %s is refused when it opens", async (_, login: ZookeeperQueueOptions) => {
  const { port = 0, url = "" } = server ?? {};
  const root = `/test-${randomUUID()}`;
  const mine = { username: "me", password: SECRET };
  await using client = await keptClient(serversAt([port], { login: { scheme: "digest", ...mine } }));
  const acl = [...CREATOR, { permissions: READ, scheme: "world", id: "anyone" }];
  await client.call(requests.write({ op: "create", path: root, data: new Uint8Array(), mode: "persistent", acl }));
  await using writer = zookeeperQueue(url, { logger: silentLogger, root, ...mine });
  const reader = zookeeperQueue(url, { logger: silentLogger, root, ...login });
  await expectReadOnly(reader, writer, new RegExp(`access list of ${root}.*does not let this client`));
});
