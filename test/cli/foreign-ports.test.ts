// A URL whose port belongs to another product: each backend says with a typed error what was tried and what to look at.
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcp, type Server } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import { createQueue, isJobferryError } from "jobferry";
import { silentLogger } from "../../src/runtime/index.ts";
import { sharedServer } from "../servers/shared-server.ts";

const SECRET = "s3cr3t-word";

const notFound: RequestListener = (_, answer) => answer.writeHead(404).end("Nothing here.");
const http = await listening(createServer(notFound));
/** One that speaks first, as SSH and mail servers do. */
const ssh = await listening(
  createTcp((socket) => socket.on("error", () => undefined).write("SSH-2.0-OpenSSH_9.2\r\n")),
);
const redis = await sharedServer("redis");
const postgres = await sharedServer("postgres");

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  afterAll(() => void server.close());
  server.unref();
  return (server.address() as AddressInfo).port;
}

async function expectTold(url: string, code: string, says: RegExp): Promise<void> {
  const error: unknown = await createQueue(url, { logger: silentLogger }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(isJobferryError(error), String(error)).toBe(true);
  expect(error).toMatchObject({ code, message: expect.stringMatching(says) });
  const { message } = error as Error;
  expect(message).toContain(new URL(url).host);
  expect(message).not.toContain(SECRET);
}

const FOREIGN = [
  ["redis", "STORE_FOREIGN", /does not speak Redis's protocol.*6379/],
  ["amqp", "STORE_FOREIGN", /does not speak AMQP.*5672/],
  ["etcd", "STORE_FOREIGN", /not etcd.*2379/],
  ["consul", "STORE_FOREIGN", /not Consul.*8500/],
  ["zookeeper", "STORE_FOREIGN", /not ZooKeeper.*2181/],
  // Its client tells only that no connection came.
  ["postgres", "UNAVAILABLE", /whether it is PostgreSQL that listens.*5432/],
] as const;

describe.each(FOREIGN)("%s://", (scheme, code, says) => {
  const login = scheme === "redis" || scheme === "amqp" || scheme === "postgres" ? `me:${SECRET}@` : "";

  test("to a server of HTTP, and one that speaks first", async () => {
    await expectTold(`${scheme}://${login}127.0.0.1:${http}`, code, says);
    await expectTold(`${scheme}://${login}127.0.0.1:${ssh}`, code, says);
  });
});

const SILENT = [
  ["amqp", "UNAVAILABLE", /whether it is what listens on that port.*5672/],
  ["postgres", "UNAVAILABLE", /whether it is PostgreSQL that listens.*5432/],
  ["consul", "UNAVAILABLE", /its HTTP interface is what listens there/],
  ["etcd", "STORE_FOREIGN", /not etcd/],
  ["zookeeper", "UNAVAILABLE", /a server that hangs, or another product/],
] as const;

test.runIf(redis !== undefined).each(SILENT)("%s:// to Redis", async (scheme, code, says) => {
  await expectTold(`${scheme}://127.0.0.1:${redis?.port}`, code, says);
});

const HUNG_UP = [
  ["redis", "UNAVAILABLE", /Check that Redis runs there, .* what listens on that port/],
  ["amqp", "UNAVAILABLE", /whether it is what listens on that port.*5672/],
  ["etcd", "UNAVAILABLE", /are host and port right/],
  ["consul", "UNAVAILABLE", /its HTTP interface is what listens there/],
  ["zookeeper", "STORE_FOREIGN", /not ZooKeeper/],
] as const;

test.runIf(postgres !== undefined).each(HUNG_UP)("%s:// to PostgreSQL", async (scheme, code, says) => {
  await expectTold(`${scheme}://127.0.0.1:${postgres?.port}`, code, says);
});
