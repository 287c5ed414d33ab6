// A token that is deleted while a queue and a cluster run, and made again.
import { expect, test } from "vitest";
import { createJob, Worker } from "jobferry";
import { consulCluster, consulQueue } from "jobferry/consul";
import { consulRequest } from "../../scripts/servers/consul-request.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { makeToken } from "./stage.ts";

const MANAGER = "manager";
const RULES =
  'key_prefix "jobferry/" { policy = "write" } session "jobferry-sessions" { policy = "write" } node "jobferry-sessions" { policy = "write" }';

type Listed = Readonly<{ AccessorID: string; SecretID: string; Policies: readonly Readonly<{ ID: string }>[] }>;

test.runIf(await isServerAvailable("consul"))(
  "a token that is deleted is told at once, and work goes on when it is back",
  { timeout: 90_000 },
  async () => {
    await using server = await startServer("consul", { password: MANAGER });
    const admin = async (method: "GET" | "PUT" | "DELETE", path: string, body?: object): Promise<unknown> => {
      const sent = body === undefined ? undefined : JSON.stringify(body);
      const { status, text } = await consulRequest({ port: server.port, token: MANAGER }, method, path, sent);
      expect(status, text).toBe(200);
      return JSON.parse(text) as unknown;
    };
    const token = await makeToken(server.port, MANAGER, RULES);
    const address = `127.0.0.1:${server.port}`;
    await using queue = consulQueue(address, { token, logger: silentLogger, pushTimeout: "2s" });
    const done: unknown[] = [];
    const told: unknown[] = [];
    const worker = new Worker(queue, "default", (job) => void done.push(job.payload));
    worker.on("error", ({ error }) => told.push(error));
    await worker.start();
    const cluster = consulCluster({ nodeId: "a", address, token, electionTimeout: "3s", logger: silentLogger });
    const toldNode: unknown[] = [];
    cluster.on("error", ({ error }) => toldNode.push(error));
    const lost: unknown[] = [];
    cluster.on("lost", (event) => lost.push(event));
    await cluster.start();
    await queue.push(createJob("before"));
    await expect.poll(() => done).toEqual(["before"]);

    const { AccessorID, Policies } =
      ((await admin("GET", "/v1/acl/tokens")) as readonly Listed[]).find(({ SecretID }) => SecretID === token) ?? {};
    await admin("DELETE", `/v1/acl/token/${AccessorID}`);
    const denied = { code: "ACCESS_DENIED", retryable: false, message: expect.stringContaining("does not know") };
    const begin = performance.now();
    await expect(queue.push(createJob("meanwhile"))).rejects.toMatchObject(denied);
    await expect(cluster.lock("x", { wait: "1s" })).rejects.toMatchObject(denied);
    expect(performance.now() - begin).toBeLessThan(2_000);
    await expect.poll(() => told).toContainEqual(expect.objectContaining({ code: "ACCESS_DENIED" }));
    await expect.poll(() => lost, { timeout: 10_000 }).toMatchObject([{ reason: { code: "SESSION_LOST" } }]);
    await expect.poll(() => toldNode).toContainEqual(expect.objectContaining({ code: "ACCESS_DENIED" }));

    await admin("PUT", "/v1/acl/token", { SecretID: token, Policies: Policies?.map(({ ID }) => ({ ID })) });
    await queue.push(createJob("after"));
    await expect.poll(() => done, { timeout: 15_000 }).toEqual(["before", "after"]);
    await using lock = await cluster.lock("x", { wait: "15s" });
    expect(lock.held).toBe(true);
    await expect.poll(async () => (await cluster.nodes()).map(({ id }) => id), { timeout: 15_000 }).toEqual(["a"]);
    await worker.stop();
    await cluster.stop();
  },
);
