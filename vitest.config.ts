import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import type { TestProjectInlineConfiguration } from "vitest/config";

const entries = fileURLToPath(new URL("src/entry", import.meta.url));
const sources = [
  { find: /^jobferry$/, replacement: `${entries}/index.ts` },
  { find: /^jobferry\/([a-z]+)$/, replacement: `${entries}/$1.ts` },
];

type TestOptions = NonNullable<TestProjectInlineConfiguration["test"]>;

function project(name: string, options: TestOptions = {}): TestProjectInlineConfiguration {
  return {
    extends: true,
    resolve: { alias: sources },
    test: { name, include: [`test/${name}/**/*.test.ts`], pool: "threads", ...options },
  };
}

/** Sees `jobferry` as a user does: what was built into dist. */
function builtProject(name: string): TestProjectInlineConfiguration {
  return { ...project(name, { pool: "forks", testTimeout: 120_000, hookTimeout: 120_000 }), resolve: {} };
}

export default defineConfig({
  test: {
    passWithNoTests: true,
    globalSetup: fileURLToPath(new URL("test/servers/global-setup.ts", import.meta.url)),
    projects: [
      project("unit"),
      project("property", { testTimeout: 60_000 }),
      project("lint", { testTimeout: 60_000, hookTimeout: 60_000 }),
      // Blocked event loops and deadlines of processes: beside other tests on two cores they would measure those.
      project("worker", { pool: "forks", fileParallelism: false, testTimeout: 30_000, sequence: { groupOrder: 1 } }),
      project("cli", { pool: "forks", testTimeout: 30_000 }),
      project("conformance", { pool: "forks", testTimeout: 30_000, hookTimeout: 60_000 }),
      project("process", { pool: "forks", fileParallelism: false, testTimeout: 60_000, sequence: { groupOrder: 2 } }),
      project("postgres", { pool: "forks", fileParallelism: false, testTimeout: 60_000, sequence: { groupOrder: 2 } }),
      project("faults"),
      // Fail-overs and reconnects have deadlines: not beside each other.
      project("redis", { pool: "forks", fileParallelism: false, testTimeout: 60_000, hookTimeout: 60_000 }),
      // Servers of their own are killed and started again.
      project("rabbitmq", { pool: "forks", fileParallelism: false, testTimeout: 90_000, hookTimeout: 120_000 }),
      project("servers", { pool: "forks", testTimeout: 60_000, hookTimeout: 120_000 }),
      builtProject("package"),
      builtProject("examples"),
      // Chaos measures time and kills processes: it runs last, one file at a time.
      project("chaos", {
        pool: "forks",
        testTimeout: 300_000,
        hookTimeout: 60_000,
        fileParallelism: false,
        sequence: { groupOrder: 3 },
      }),
    ],
  },
});
