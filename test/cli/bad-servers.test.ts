import { type AddressInfo, createServer } from "node:net";
import pg from "pg";
import { Redis } from "ioredis";
import { afterAll, describe, expect, test } from "vitest";
import { zookeeperQueue } from "jobferry/zookeeper";
import { etcdGateway, etcdToken } from "../../scripts/servers/etcd-gateway.ts";
import { freePort } from "../../scripts/servers/free-port.ts";
import type { RunningServer } from "../../scripts/servers/server.ts";
import { makeToken } from "../consul/stage.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { errorOf, Sandbox } from "./run-cli.ts";

/** Opening waits up to ten seconds for a server that does not answer. */
const SLOW = 120_000;
const RIGHT = "right-p4ss:w@rd/";
const WRONG = "wr0ng-p4ss:w@rd/";
const NAMES = {
  ...{ postgres: "postgres", redis: "", rabbitmq: "guest" },
  ...{ etcd: "root", consul: "", zookeeper: "jobferry" },
} as const;
const KINDS = ["postgres", "redis", "rabbitmq", "etcd", "consul", "zookeeper"] as const;

type Kind = (typeof KINDS)[number];
type Refusal = Readonly<{ url: string; code: string; env?: Readonly<Record<string, string>>; says?: RegExp }>;

/** One line with the code, the place and no secret, on stderr alone, and exit code 3. */
async function expectRefused({ url, code, env = {}, says = /./ }: Refusal): Promise<void> {
  const sandbox = new Sandbox({ ...env, JOBFERRY_URL: url });
  const [text, json] = await Promise.all([sandbox.run(["push", "x"]), sandbox.run(["stats", "--json"])]);
  for (const result of [text, json]) {
    expect(result, result.stderr).toMatchObject({ code: 3, signal: null, stdout: "" });
    expect(result.stderr).not.toMatch(/p4ss|w%40rd|w@rd|^\s+at /m);
    expect(result.stderr.trimEnd().split("\n"), result.stderr).toHaveLength(1);
    expect(result.stderr).toContain(new URL(url).host);
    expect(result.stderr).toMatch(says);
  }
  expect(text.stderr).toMatch(new RegExp(`^error: .* \\(${code}\\)\n$`));
  expect(errorOf(json)).toMatchObject({ code, retryable: expect.any(Boolean) as boolean });
}

function withLogin(url: string, user: string, password: string): string {
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
  // ZooKeeper's other way of a login lets in whoever comes.
  const way = url.startsWith("zookeeper") && !url.includes("?") ? "?auth=sasl" : "";
  return `${url.replace(/:\/\/([^@/]*@)?/, `://${login}@`)}${way}`;
}

/** The same place without TLS, or with it. */
function withoutTls(url: string): string {
  return url
    .replace(/^rediss:/, "redis:")
    .replace(/^amqps:/, "amqp:")
    .replace(/^(etcd|consul|zookeeper)s:/, "$1:")
    .replace(/\?sslmode=.*/, "");
}

function withTls(url: string): string {
  const secure = url.replace(/^redis:/, "rediss:").replace(/^(amqp|etcd|consul|zookeeper):/, "$1s:");
  return secure.startsWith("postgres:") ? `${secure}?sslmode=verify-full` : secure;
}

describe.each(KINDS)("%s", async (kind) => {
  if (!(await isServerAvailable(kind))) return;
  const secure = await startServer(kind, { password: RIGHT, tls: true });
  afterAll(() => secure.remove());
  const trusting = { NODE_EXTRA_CA_CERTS: secure.ca ?? "" };
  const right = withLogin(secure.url, NAMES[kind], RIGHT);

  test("with the right password and a trusted certificate all is well", { timeout: SLOW }, async () => {
    const sandbox = new Sandbox({ ...trusting, JOBFERRY_URL: right });
    const { code, stderr } = await sandbox.run(["stats"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const given = await sandbox.run(["stats", "--url", right]);
    expect(given.stderr).toMatch(/^warning: --url has a password in it/);
    expect(given.stderr + given.stdout).not.toMatch(/p4ss|w%40rd|w@rd/);
  });

  test("a wrong password, and none", { timeout: SLOW }, async () => {
    const wrong = withLogin(secure.url, NAMES[kind], WRONG);
    await expectRefused({ url: wrong, env: trusting, code: "ACCESS_DENIED", says: /refused|does not know this token/ });
    await expectRefused({ url: secure.url, env: trusting, code: "ACCESS_DENIED" });
    if (kind === "rabbitmq") return;
    const { code, stderr } = await new Sandbox({ ...trusting, JOBFERRY_URL: wrong }).run(["cluster", "nodes"]);
    expect({ code, stderr }).toMatchObject({ code: 3, stderr: expect.stringContaining(new URL(wrong).host) as string });
    expect(stderr).not.toMatch(/p4ss|w%40rd|w@rd/);
  });

  test("a certificate that is not trusted, and no TLS where it is wanted", { timeout: SLOW }, async () => {
    await expectRefused({ url: right, code: "ACCESS_DENIED", says: /TLS.*NODE_EXTRA_CA_CERTS/ });
    await expectRefused({ url: withoutTls(right), code: "ACCESS_DENIED", says: /wants? TLS/ });
  });

  test("TLS where the server speaks none", { timeout: SLOW }, async () => {
    await using plain = await startServer(kind, {});
    await expectRefused({ url: withTls(withLogin(plain.url, NAMES[kind], WRONG)), code: "ACCESS_DENIED", says: /TLS/ });
  });

  test("nobody listens, and a host that is none", { timeout: SLOW }, async () => {
    // Some have a path that means something.
    const path = kind === "etcd" || kind === "consul" ? "" : "/0";
    const user = kind === "consul" ? "" : "app";
    const at = (host: string): string => withLogin(`${new URL(secure.url).protocol}//${host}${path}`, user, RIGHT);
    await expectRefused({ url: at(`127.0.0.1:${await freePort()}`), code: "UNAVAILABLE" });
    await expectRefused({ url: at("no-such-host.invalid"), code: "UNAVAILABLE" });
  });

  test("a user who lacks a right", { timeout: SLOW }, async () => {
    await using open = await startServer(kind, kind === "consul" || kind === "etcd" ? { password: RIGHT } : {});
    await expectRefused({ url: await weakUser(kind, open), code: "ACCESS_DENIED" });
  });

  test("doctor says which check failed", { timeout: SLOW }, async () => {
    const wrong = withLogin(secure.url, NAMES[kind], WRONG);
    const result = await new Sandbox({ ...trusting, JOBFERRY_URL: wrong }).run(["doctor", "--json"]);
    expect(result.code).toBe(6);
    expect(JSON.parse(result.stdout)).toMatchObject({ data: { checks: [{}, { name: "open", status: "failed" }] } });
    expect(result.stdout + result.stderr).not.toMatch(/p4ss|w%40rd|w@rd/);
  });
});

test.each(["etcds", "consuls", "zookeepers"])("%s to what only hangs up: no authority would help", async (scheme) => {
  const proxy = createServer((client) => client.on("error", () => undefined).destroy());
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const url = `${scheme}://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  await expectRefused({ url, code: "UNAVAILABLE", says: /^(?!.*NODE_EXTRA_CA_CERTS).*may listen there/s });
  proxy.close();
});

/** RabbitMQ has no such state. */
describe.each(["postgres", "redis"] as const)("%s that cannot be written", async (kind) => {
  if (!(await isServerAvailable(kind))) return;

  test("names the primary", { timeout: SLOW }, async () => {
    await using replica = await startServer(kind, { readOnly: true });
    await expectRefused({ url: replica.url, code: "STORE_READ_ONLY", says: /primary/ });
  });
});

/** The URL of a user who may connect and nothing else. */
async function weakUser(kind: Kind, server: RunningServer): Promise<string> {
  const { url, endpoints, port } = server;
  if (kind === "etcd") {
    const token = await etcdToken({ port }, "root", RIGHT);
    await etcdGateway({ port, token }, "/v3/auth/user/add", { name: "weak", password: "p4ss" });
    return withLogin(url, "weak", "p4ss");
  }
  if (kind === "consul") {
    return withLogin(url, "", await makeToken(port, RIGHT, 'key_prefix "elsewhere/" { policy = "write" }'));
  }
  if (kind === "zookeeper") {
    // Whoever comes first has it.
    await (await zookeeperQueue(url, { username: "other", password: "p4ss" }).open()).close();
    return withLogin(url, "weak", "p4ss").replace("?auth=sasl", "");
  }
  if (kind === "postgres") {
    const admin = new pg.Client(url);
    await admin.connect();
    await admin.query(`CREATE ROLE weak LOGIN PASSWORD 'p4ss'`);
    await admin.end();
    return withLogin(url, "weak", "p4ss");
  }
  if (kind === "redis") {
    const admin = new Redis(url);
    await admin.call("ACL", "SETUSER", "weak", "on", ">p4ss", "~*", "+@all", "-evalsha", "-eval");
    admin.disconnect();
    return withLogin(url, "weak", "p4ss");
  }
  const set = async (path: string, body: object): Promise<void> => {
    const headers = { "content-type": "application/json", authorization: `Basic ${btoa("guest:guest")}` };
    const sent = { method: "PUT", headers, body: JSON.stringify(body) };
    const { ok, status } = await fetch(`${endpoints["management"]}/api/${path}`, sent);
    if (!ok) throw new Error(`PUT ${path}: ${status}`);
  };
  await set("users/weak", { password: "p4ss", tags: "" });
  await set("permissions/%2F/weak", { configure: "^$", write: "^$", read: "^$" });
  return withLogin(url, "weak", "p4ss");
}
