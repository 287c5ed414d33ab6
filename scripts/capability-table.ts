// docs/capabilities.md, generated from what each driver's open() declares. The conformance suite proves the cells; its first sentence says of which not in every run.
//   node scripts/capability-table.ts           writes it
//   node scripts/capability-table.ts --check   fails when the committed one differs
// A driver that needs a server says what it declares on one with default settings; a test in its folder keeps that equal to what open() finds.
// With JOBFERRY_POSTGRES_URL the server itself is asked.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Capabilities, CoordinationCapabilities, CoordinationStore, Driver } from "../src/contract/index.ts";
import { etcdCoordinationStore } from "../src/drivers/etcd/index.ts";
import { memoryCoordinationStore } from "../src/drivers/memory/coordination-store.ts";
import { memoryDriver } from "../src/drivers/memory/memory-driver.ts";
import { capabilitiesOf, postgresCoordinationStore, postgresDriver } from "../src/drivers/postgres/index.ts";
import { redisCapabilities, redisCoordinationStore } from "../src/drivers/redis/index.ts";
import { capabilitiesOf as rabbitmqCapabilities } from "../src/drivers/rabbitmq/capabilities.ts";
import { resolveOptions } from "../src/drivers/rabbitmq/options.ts";
import { checkServer } from "../src/drivers/rabbitmq/server.ts";
import { consulCoordinationStore } from "../src/drivers/consul/index.ts";
import { coordinatedCapabilities } from "../src/drivers/coordinated/capabilities.ts";
import { DEFAULT_BACKLOG } from "../src/drivers/coordinated/options.ts";
import { timingFor } from "../src/drivers/coordinated/timing.ts";
import { sqliteCoordinationStore, sqliteDriver } from "../src/drivers/sqlite/index.ts";
import { zookeeperCoordinationStore } from "../src/drivers/zookeeper/index.ts";
import { silentLogger, systemClock } from "../src/runtime/index.ts";

const FILE = "docs/capabilities.md";
/** No release of Debian has it. */
const NOT_IN_THE_TESTS = { version: "4.3", ran: "4.3.6, on 2026-11-27" } as const;
const NO_LIMIT_MS = 50 * 365 * 86_400_000;

type Row<T> = readonly [title: string, cell: (value: T) => string];
type Rows = { readonly [K in keyof Required<Capabilities>]: readonly Row<Capabilities[K]>[] };

const yesNo = (value: boolean): string => (value ? "yes" : "no");
const bytes = (value: number): string =>
  value % 1_048_576 === 0 ? `${value / 1_048_576} MiB` : `${count(value / 1_024)} KiB`;
const count = (value: number): string => value.toLocaleString("en");

function time(ms: number): string {
  if (ms >= NO_LIMIT_MS) return "no limit";
  return ms >= 86_400_000 ? `${ms / 86_400_000} d` : `${count(ms)} ms`;
}

/** A row, or several, for each capability, so that a new one cannot be forgotten. */
const rows: Rows = {
  durability: [["A push that resolved survives", String]],
  shared: [["Reached from several processes", yesNo]],
  pushById: [["Pushing an id again changes nothing", yesNo]],
  attempts: [["Attempts", String]],
  finish: [["A finish is", String]],
  release: [["Release", String]],
  refund: [["Attempts can be given back", yesNo]],
  priority: [
    ["Priorities", ({ support, order }) => (support === "unsupported" ? support : `${support}, ${order}`)],
    ["Priorities from, to", ({ min, max }) => `${count(min)}, ${count(max)}`],
  ],
  fifo: [["Keeps the order of a producer", yesNo]],
  delay: [
    ["Delays", ({ support }) => support],
    ["Delays: late at most", ({ support, precisionMs }) => (support === "unsupported" ? "" : time(precisionMs))],
    ["Delays: longest", ({ support, maxMs }) => (support === "unsupported" ? "" : time(maxMs))],
  ],
  lease: [
    ["A lease ends by", ({ ends }) => ends],
    ["Lease: shortest, grain", ({ minMs, grainMs }) => `${time(minMs)}, ${time(grainMs)}`],
    ["Lease: extend", ({ extend }) => extend],
  ],
  batch: [
    ["Jobs stored all or none", ({ atomic }) => count(atomic)],
    ["Largest batch", ({ maxItems, maxBytes }) => `${count(maxItems)} jobs, ${bytes(maxBytes)}`],
  ],
  payload: [["Largest payload", ({ maxBytes }) => bytes(maxBytes)]],
  backlog: [
    [
      "May wait at most, by default",
      (backlog) => (backlog === undefined ? "no limit" : `${count(backlog.maxJobs)} jobs, ${bytes(backlog.maxBytes)}`),
    ],
  ],
  wakeup: [
    ["Waiting consumers", ({ kind }) => (kind === "notify" ? "are woken" : "poll")],
    ["A wake-up is missed for at most", ({ pollMs }) => time(pollMs)],
  ],
  pause: [
    ["Pause everywhere", ({ support }) => support],
    ["Pause: in force after", ({ support, lagMs }) => (support === "unsupported" ? "" : time(lagMs))],
  ],
  clear: [["Clear", ({ support, counts }) => (counts ? `${support}, counts` : support)]],
  stats: [["Pending, delayed, reserved, failed, completed", (stats) => statsCell(stats)]],
  records: [
    ["Look up, list and change single jobs", (records) => (records === "resting" ? "failed ones" : yesNo(records))],
  ],
  failedJobs: [["Keeps failed jobs", yesNo]],
  transactions: [["Push in your own transaction", yesNo]],
  coordination: [["Coordination store", yesNo]],
};

/** The same for coordination stores, which declare theirs before they are opened. */
const coordinationRows: {
  readonly [K in keyof CoordinationCapabilities]: readonly Row<CoordinationCapabilities[K]>[];
} = {
  shared: [["Reached from several processes", yesNo]],
  consistency: [
    ["Two never hold one lock", (value) => (value === "linearizable" ? "yes" : "while no fail-over happens")],
  ],
  session: [
    ["Session: shortest, longest time to live", ({ minTtlMs, maxTtlMs }) => `${time(minTtlMs)}, ${time(maxTtlMs)}`],
    [
      "A session may end before its time",
      ({ mayEndEarly }) => (mayEndEarly === true ? "when a stopped leader of the servers goes on" : "no"),
    ],
    [
      "A silent session ends at the latest after",
      ({ endFactor, endLagMs }) => `${endFactor === 1 ? "its time" : `${endFactor} x its time`} + ${time(endLagMs)}`,
    ],
  ],
  watch: [["A watcher is behind for at most", ({ lagMs }) => time(lagMs)]],
  limits: [
    ["Largest key, value", ({ keyBytes, valueBytes }) => `${count(keyBytes)} B, ${bytes(valueBytes)}`],
    [
      "Largest transaction",
      ({ operations, transactionBytes }) => `${count(operations)} operations, ${bytes(transactionBytes)}`,
    ],
  ],
};

function coordinationStores(): readonly CoordinationStore[] {
  return [
    memoryCoordinationStore(),
    sqliteCoordinationStore({ path: "any.db" }),
    postgresCoordinationStore({ url: "postgres://localhost" }),
    redisCoordinationStore({ url: "redis://localhost" }),
    etcdCoordinationStore({ url: "etcd://localhost" }),
    consulCoordinationStore({ address: "localhost" }),
    zookeeperCoordinationStore({ url: "zookeeper://localhost" }),
  ];
}

/** What open() declares with default settings. */
function coordinated({ name, capabilities }: CoordinationStore): Column {
  return [name, coordinatedCapabilities(capabilities, "power", timingFor(undefined, capabilities), DEFAULT_BACKLOG)];
}

function coordinationTable(): readonly string[] {
  const stores = coordinationStores();
  const linesFor = <K extends keyof CoordinationCapabilities>(key: K): readonly string[] =>
    coordinationRows[key].map(([title, cell]) =>
      line([title, ...stores.map(({ capabilities }) => cell(capabilities[key]))]),
    );
  return [
    "## Coordination stores",
    "",
    "What locks, leaders, nodes and broadcasts stand on; the coordination suite proves the cells.",
    "",
    line(["", ...stores.map(({ name }) => name)]),
    line(["---", ...stores.map(() => "---")]),
    ...(Object.keys(coordinationRows) as (keyof CoordinationCapabilities)[]).flatMap((key) => linesFor(key)),
    "",
  ];
}

function statsCell({ pending, delayed, reserved, failed, completed }: Capabilities["stats"]): string {
  const qualities = [pending, delayed, reserved, failed, completed];
  return new Set(qualities).size === 1 ? `all ${pending}` : qualities.join(", ");
}

function linesOf<K extends keyof Rows>(capability: K, columns: readonly Capabilities[]): readonly string[] {
  return rows[capability].map(([title, cell]) => line([title, ...columns.map((column) => cell(column[capability]))]));
}

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

type Column = readonly [name: string, capabilities: Capabilities];

async function declared(driver: Driver): Promise<Column> {
  const forever = { count: Infinity, ageMs: Infinity };
  const retention = { completed: forever, failed: forever };
  const capabilities = await driver.open({ clock: systemClock, logger: silentLogger, retention });
  await driver.close();
  return [driver.name, capabilities];
}

async function postgres(): Promise<Column> {
  const url = process.env["JOBFERRY_POSTGRES_URL"];
  if (url !== undefined) return declared(postgresDriver({ url }) as Driver);
  return ["postgres", capabilitiesOf({ durability: "power", notify: true, pollMs: 1_000 })];
}

/** What open() declares for a server of this version, without the server. */
function rabbitmq(version: string): Column {
  const server = checkServer({ product: "RabbitMQ", version });
  return [`rabbitmq ${version}`, rabbitmqCapabilities(server, resolveOptions({ url: "amqp://localhost" }))];
}

async function table(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "jobferry-capabilities-"));
  const columns: readonly Column[] = [
    await declared(memoryDriver()),
    await declared(sqliteDriver({ path: join(folder, "jobs.db") })),
    await postgres(),
    // The conformance suite proves that `open()` tells just this.
    ["redis, with appendonly", redisCapabilities("serverCrash", 1)],
    ...["3.10", "4.0", NOT_IN_THE_TESTS.version].map(rabbitmq),
    ...coordinationStores().slice(-3).map(coordinated),
  ];
  rmSync(folder, { recursive: true, force: true });
  const names = columns.map(([name]) => name);
  const body = (Object.keys(rows) as (keyof Rows)[]).flatMap((capability) =>
    linesOf(
      capability,
      columns.map(([, capabilities]) => capabilities),
    ),
  );
  return [
    "# Capabilities",
    "",
    "What each backend honestly gives. Generated from the drivers by `scripts/capability-table.ts`; the conformance suite proves each cell in every",
    `run of the tests, but for RabbitMQ ${NOT_IN_THE_TESTS.version}, on which it was run by hand (${NOT_IN_THE_TESTS.ran}). It also proves that a driver does no more than it says.`,
    "`native`: the backend does it. `emulated`: the driver does it with the same result.",
    "`unsupported`: asking for it is an error with the code `UNSUPPORTED`. Asked of an open queue it is `queue.capabilities`.",
    "",
    line(["", ...names]),
    line(["---", ...names.map(() => "---")]),
    ...body,
    "",
    ...coordinationTable(),
  ].join("\n");
}

const wanted = await table();
if (process.argv.includes("--check")) {
  if (readFileSync(FILE, "utf8") !== wanted) {
    console.log(`${FILE} differs from what the drivers declare: run node scripts/capability-table.ts`);
    process.exitCode = 1;
  }
} else {
  writeFileSync(FILE, wanted);
}
