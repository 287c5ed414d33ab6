import { globSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import type { TestProjectInlineConfiguration } from "vitest/config";

const entries = fileURLToPath(new URL("src/entry", import.meta.url));
const sources = [
  { find: /^jobferry$/, replacement: `${entries}/index.ts` },
  { find: /^jobferry\/([a-z]+)$/, replacement: `${entries}/$1.ts` },
];

/** vitest leaves one core to itself, which has little to do. */
const WORKERS = Math.max(2, availableParallelism() - 1);

type TestOptions = NonNullable<TestProjectInlineConfiguration["test"]>;

function project(name: string, options: TestOptions = {}): TestProjectInlineConfiguration {
  return {
    extends: true,
    resolve: { alias: sources },
    test: { name, include: [`test/${name}/**/*.test.ts`], pool: "threads", maxWorkers: WORKERS, ...options },
  };
}

/** The suite on real servers. */
const ON_SERVERS = ["consul", "etcd", "postgres", "redis", "valkey", "rabbitmq", "zookeeper"].map(
  (name) => `test/conformance/${name}*.test.ts`,
);

/** The queue in coordination stores: each call is a transaction, each case has sessions, and many cases run at once. */
const JOBS_IN_STORES = ["consul", "etcd", "etcd-3.4", "zookeeper", "zookeeper-3.8"].map(
  (name) => `test/conformance/${name}.test.ts`,
);

/** Longer than the 120 s that a server may take to start: what it printed is told then. */
const PATIENT = { testTimeout: 180_000, hookTimeout: 180_000 } as const;

/** They talk to servers, some of their own that are killed and started again. */
const SUITES = ["etcd", "postgres", "redis", "rabbitmq", "consul", "zookeeper"];

/** Fail-overs and reconnects have deadlines: what looks at a clock runs alone. */
const LOOKS_AT_A_CLOCK = /startStopwatch|performance\.now|Date\.now|hrtime|until\(|toBeLessThan/;
const TIMED = globSync(`test/{${SUITES.join()}}/*.test.ts`).filter((file) =>
  LOOKS_AT_A_CLOCK.test(readFileSync(file, "utf8")),
);

/** Each has two parts; `--project "redis*"` takes both. */
function suite(name: string): readonly TestProjectInlineConfiguration[] {
  const timed = TIMED.filter((file) => file.startsWith(`test/${name}/`));
  return [
    project(name, { pool: "forks", exclude: timed, sequence: { groupOrder: 4 }, ...PATIENT }),
    alone(`${name}, timed`, 5, { include: timed }),
  ];
}

/** One file at a time, and not beside projects with another number. */
function alone(name: string, groupOrder: number, options: TestOptions = {}): TestProjectInlineConfiguration {
  const one = { pool: "forks", fileParallelism: false, maxWorkers: 1 } as const;
  const times = { ...PATIENT, ...options };
  return project(name, { ...one, sequence: { groupOrder }, ...times });
}

/** Sees `jobferry` as a user does: what was built into dist. */
function builtProject(name: string): TestProjectInlineConfiguration {
  return { ...project(name, { pool: "forks", testTimeout: 240_000, hookTimeout: 120_000 }), resolve: {} };
}

export default defineConfig({
  test: {
    passWithNoTests: true,
    // They end when it holds; the limit, of 1 s without this, is for what never does, on a machine however busy.
    expect: { poll: { timeout: 10_000 } },
    globalSetup: fileURLToPath(new URL("test/servers/global-setup.ts", import.meta.url)),
    projects: [
      // They never wait; the limit is for those that hang, on a machine however busy.
      project("unit", { testTimeout: 60_000, hookTimeout: 60_000 }),
      project("property", { testTimeout: 60_000 }),
      project("lint", { testTimeout: 60_000, hookTimeout: 60_000 }),
      project("cli", { pool: "forks", testTimeout: 90_000 }),
      project("conformance", { pool: "forks", ...PATIENT, exclude: ON_SERVERS }),
      project("faults", { testTimeout: 90_000 }),
      builtProject("package"),
      builtProject("examples"),
      // Blocked event loops and deadlines of processes: beside other tests on two cores they would measure those.
      alone("worker", 1),
      alone("process", 2),
      // They wait for the servers' own time and leave the processor idle: all at once.
      project("conformance on servers", {
        ...{ include: ON_SERVERS, exclude: JOBS_IN_STORES, pool: "forks", maxWorkers: 8, sequence: { groupOrder: 3 } },
        ...PATIENT,
      }),
      alone("conformance in stores", 5, { include: JOBS_IN_STORES, maxConcurrency: 8 }),
      ...SUITES.flatMap(suite),
      alone("servers", 5),
      // Chaos measures time and kills processes: it runs last.
      alone("chaos", 6, { testTimeout: 300_000 }),
    ],
  },
});
