// A URL whose port belongs to another product: each backend says with a typed error what was tried and what to look at.
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcp, type Server } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import { createQueue, isJobferryError, type JobferryError } from "jobferry";
import { etcdQueue } from "jobferry/etcd";
import { zookeeperQueue } from "jobferry/zookeeper";
import { zookeeperMode } from "../../scripts/servers/zookeeper-command.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { sharedServer } from "../servers/shared-server.ts";
import { startStopwatch } from "../stalls/stopwatch.ts";

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

async function expectTold(url: string, code: string | RegExp, says: RegExp): Promise<Error> {
  const error: unknown = await createQueue(url, { logger: silentLogger }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(isJobferryError(error), String(error)).toBe(true);
  expect(error, url).toMatchObject({ code: expect.stringMatching(code), message: expect.stringMatching(says) });
  const { message } = error as Error;
  expect(message).toContain(new URL(url).host);
  expect(message).not.toContain(SECRET);
  return error as Error;
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
  ["zookeeper", "UNAVAILABLE", /as a server that hangs\. Another product or port may listen/],
] as const;

test.runIf(redis !== undefined).each(SILENT)("%s:// to Redis", async (scheme, code, says) => {
  await expectTold(`${scheme}://127.0.0.1:${redis?.port}`, code, says);
});

const HUNG_UP = [
  ["redis", "UNAVAILABLE", /Check that Redis runs there, .* what listens on that port/],
  ["amqp", "UNAVAILABLE", /whether it is what listens on that port.*5672/],
  ["etcd", "UNAVAILABLE", /are host and port right\? Another product or port may listen there: etcd's .*2379/],
  [
    "consul",
    "UNAVAILABLE",
    /its HTTP interface is what listens there.* Another product or port may listen there: .*8500/,
  ],
  ["zookeeper", "STORE_FOREIGN", /not ZooKeeper/],
] as const;

test.runIf(postgres !== undefined).each(HUNG_UP)("%s:// to PostgreSQL", async (scheme, code, says) => {
  await expectTold(`${scheme}://127.0.0.1:${postgres?.port}`, code, says);
});

type Place = Readonly<{ name: string; port: number }>;
/** `answers`: in a way that is not the product's. `denies`: that it speaks no TLS. `hides`: it hangs up or says nothing, as a server does that starts or hangs. */
type Told = "answers" | "hides" | "denies" | "either";

const STORES = ["etcd", "consul", "zookeeper"] as const;
const servers = await Promise.all(STORES.map(sharedServer));
const ensemble = await sharedServer("zookeeper-cluster");
const isComplete = [...servers, ensemble].every((server) => server !== undefined);

/** Ports of the three for clients, and those that servers have for each other. */
async function places(): Promise<readonly Place[]> {
  const clients = servers.flatMap((one) => (one === undefined ? [] : [{ name: one.kind, port: one.port }]));
  const inner = servers.flatMap((one) =>
    Object.entries(one?.innerPorts ?? {}).map(([name, port]) => ({ name: `${one?.kind} ${name}`, port })),
  );
  return [...clients, ...inner, ...(await quorumPlaces())];
}

async function quorumPlaces(): Promise<readonly Place[]> {
  const names = Object.entries(ensemble?.endpoints ?? {});
  const modes = await Promise.all(names.map(([, place]) => zookeeperMode({ port: Number(place.split(":")[1]) })));
  const [leader = ""] = names[modes.indexOf("leader")] ?? [];
  const { [`${leader} quorum`]: quorum = 0, [`${leader} election`]: election = 0 } = ensemble?.innerPorts ?? {};
  return [
    { name: "quorum", port: quorum },
    { name: "election", port: election },
  ];
}

/** What the schemes are told there; the rest hides. */
const TOLD: Readonly<Record<string, Readonly<Record<string, Told>>>> = {
  etcd: { consul: "answers", "etcd peer": "answers", "etcd metrics": "answers" },
  consul: { etcd: "answers", "etcd peer": "answers", "etcd metrics": "answers" },
  // What the servers' protocol makes of the greeting depends on its bytes. etcd's peers wait for the end of a line, and answer in HTTP when they give up, after 5 s: about when
  // connectTimeout is over.
  zookeeper: { quorum: "either", election: "either", "etcd peer": "either" },
  etcds: { etcd: "denies", consul: "denies", "etcd peer": "denies", "etcd metrics": "denies" },
  consuls: { consul: "denies", "etcd peer": "denies", "etcd metrics": "denies" },
  zookeepers: { zookeeper: "denies", consul: "denies", "etcd peer": "denies", "etcd metrics": "denies" },
};

const CODES = {
  ...{ answers: /^STORE_FOREIGN$/, denies: /^ACCESS_DENIED$/, hides: /^UNAVAILABLE$/ },
  either: /^(STORE_FOREIGN|UNAVAILABLE)$/,
} as const;
const HIDDEN = /Another product or port may listen there/;
const HIDDEN_WITHOUT_TLS = /Another product or port, or one without TLS, may listen there/;

const OWN_PORT = { etcd: "2379", consul: "8500", zookeeper: "2181" } as const;

describe.runIf(isComplete).each(STORES)("from %s to ports of etcd, Consul and ZooKeeper", (store) => {
  test.each([store, `${store}s`])("%s://", async (scheme) => {
    const own = OWN_PORT[store];
    await Promise.all(
      (await places()).map(async ({ name, port }) => {
        if (name === scheme) return;
        const told = TOLD[scheme]?.[name] ?? "hides";
        const says = {
          answers: new RegExp(`not ${store}.*${own}`, "i"),
          denies: /TLS handshake/,
          hides: scheme === store ? HIDDEN : HIDDEN_WITHOUT_TLS,
          either: new RegExp(own),
        };
        const error = await expectTold(`${scheme}://127.0.0.1:${port}`, CODES[told], says[told]);
        expect(error, name).toMatchObject({ retryable: (error as JobferryError).code === "UNAVAILABLE" });
        if (told === "hides") expect(error.message).toContain(own);
      }),
    );
  });
});

test.runIf(redis !== undefined)("a silent place takes no longer than connectTimeout", async () => {
  const place = `127.0.0.1:${redis?.port}`;
  const queues = [
    zookeeperQueue(`zookeepers://${place}`, { connectTimeout: "2s", logger: silentLogger }),
    etcdQueue(`etcds://${place}`, { connectTimeout: "3s", logger: silentLogger }),
  ];
  const took = await startStopwatch();
  const opened = await Promise.all(queues.map((queue) => queue.open().catch((error: unknown) => error)));
  expect(await took()).toBeLessThan(3_700);
  expect(opened).toMatchObject([{ code: "UNAVAILABLE" }, { code: "UNAVAILABLE" }]);
});

test("lists of places may have spaces", async () => {
  const queue = etcdQueue("127.0.0.1:1, 127.0.0.1:2", { logger: silentLogger });
  await expect(queue.open()).rejects.toThrow("127.0.0.1:1, 127.0.0.1:2");
  await expect(createQueue("etcd://127.0.0.1:1, 127.0.0.1:2", { logger: silentLogger })).rejects.toThrow(
    "ECONNREFUSED",
  );
});
