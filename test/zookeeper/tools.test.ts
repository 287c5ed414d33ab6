/** What we write, ZooKeeper's own tool reads. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createJob } from "jobferry";
import { zookeeperQueue } from "jobferry/zookeeper";
import { silentLogger } from "../../src/runtime/index.ts";
import { HEAD, JOB, PAYLOAD, readJob } from "../faults/read-job.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { zkCli } from "./zk-cli.ts";

const server = await sharedServer("zookeeper");

test("zkCli reads a job where the documentation says that it is, and as what", async ({ skip }) => {
  if (server === undefined) return skip("there is no server");
  const root = `/test-${randomUUID()}`;
  await using queue = zookeeperQueue(server.url, { root, logger: silentLogger });
  await queue.push(createJob(PAYLOAD, JOB));
  const nodes = (await zkCli(server, ["ls", "-R", `${root}/k`])).split("\n");
  const found = nodes.filter((node) => /\/k\/jobs,r\.[^/]+\/[^/]+$/.test(node));
  expect(found).toHaveLength(1);
  const shown = await zkCli(server, ["get", "-b", found[0] ?? ""]);
  const value = /^[A-Za-z0-9+/]{100,}={0,2}$/m.exec(shown)?.[0] ?? "";
  expect(readJob(Buffer.from(value, "base64"))).toMatchObject({ head: HEAD, payload: PAYLOAD });
  expect(await zkCli(server, ["get", root])).toMatch(/^jobferry:1$/m);
});
