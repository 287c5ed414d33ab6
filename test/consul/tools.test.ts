/** What we write, whoever asks Consul's HTTP interface reads, as `consul kv get` and curl do. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createJob } from "jobferry";
import { consulQueue } from "jobferry/consul";
import { consulRequest } from "../../scripts/servers/consul-request.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { HEAD, JOB, PAYLOAD, readJob } from "../faults/read-job.ts";
import { sharedServer } from "../servers/shared-server.ts";

const server = await sharedServer("consul");

async function kvGet(prefix: string): Promise<readonly Buffer[]> {
  const path = `/v1/kv/${encodeURIComponent(prefix)}?recurse`;
  const { text } = await consulRequest({ port: server?.port ?? 0 }, "GET", path);
  return (JSON.parse(text) as readonly Readonly<{ Value: string }>[]).map(({ Value }) => Buffer.from(Value, "base64"));
}

test.runIf(server)("a foreign reader finds a job where the documentation says that it is, and as what", async () => {
  const prefix = `test-${randomUUID()}`;
  await using queue = consulQueue(server?.url ?? "", { prefix, logger: silentLogger });
  await queue.push(createJob(PAYLOAD, JOB));
  const [value, ...others] = await kvGet(`${prefix}/jobs/r.`);
  expect(others).toEqual([]);
  expect(readJob(value ?? Buffer.of())).toMatchObject({ head: HEAD, payload: PAYLOAD });
  expect((await kvGet(`${prefix}/+layout`)).map(String)).toEqual(["1"]);
});
