import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeBinary } from "../../scripts/node-binary.ts";
import { installPackage, output, type Installed } from "./installed.ts";

/** Each entry, and something that users take from it. */
const ENTRIES: readonly (readonly [entry: string, name: string])[] = [
  ["jobferry", "createJob"],
  ["jobferry/sqlite", "sqliteQueue"],
  ["jobferry/postgres", "postgresQueue"],
  ["jobferry/etcd", "etcdCluster"],
  ["jobferry/rabbitmq", "rabbitmqQueue"],
  ["jobferry/consul", "consulCluster"],
  ["jobferry/zookeeper", "zookeeperCluster"],
  ["jobferry/driver", "JobferryError"],
  ["jobferry/conformance", "conformanceSuite"],
  ["jobferry/testing", "virtualClock"],
];
/** The newest of the floor's line, what is developed on, the newest. */
const RELEASES = ["22.22.3", "24.21.0", "26.10.0"];
const TYPESCRIPT = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));

let project = "";
let installed: Installed | undefined;
beforeAll(async () => {
  installed = await installPackage();
  project = installed.consumer;
});
afterAll(() => {
  if (installed !== undefined) rmSync(installed.folder, { recursive: true });
});

describe.each(RELEASES)("Node.js %s", (release) => {
  let node = "";
  beforeAll(async () => {
    node = nodeBinary(release);
    expect(await output(node, ["--version"], project)).toBe(`v${release}`);
  });

  test.each(ENTRIES)("%s is imported alone, and required", async (entry, name) => {
    const shown = (load: string): string => `${load}; console.log(Object.keys(m).sort().join())`;
    const imported = await output(node, ["--input-type=module", "-e", shown(`import * as m from "${entry}"`)], project);
    const required = await output(
      node,
      ["--input-type=commonjs", "-e", shown(`const m = require("${entry}")`)],
      project,
    );
    expect(imported.split(",")).toContain(name);
    expect(
      required
        .split(",")
        .filter((name) => name !== "module.exports" && name !== "__esModule")
        .join(),
    ).toBe(imported);
  });

  test("the root entry loads no SQLite and starts nothing that keeps a process", async () => {
    const script = `await import("jobferry"); console.log(process.moduleLoadList.filter((name) => /sqlite/.test(name)).length)`;
    expect(await output(node, ["--input-type=module", "-e", script], project)).toBe("0");
  });

  test("queues, workers and pools work, with a handler in TypeScript", async () => {
    rmSync(join(project, "smoke.db"), { force: true });
    rmSync(join(project, "other.db"), { force: true });
    expect(await output(node, ["smoke.mjs"], project)).toBe("smoke ok");
  });

  test("the driver of the documentation passes the suite", async () => {
    const { passed, failed } = JSON.parse(await output(node, ["suite.ts"], project)) as Record<string, number>;
    expect(failed).toBe(0);
    expect(passed).toBeGreaterThan(100);
  });

  test("a third party's coordination store passes its suite, every case of it", async () => {
    const told = JSON.parse(await output(node, ["coordination-suite.ts"], project)) as Readonly<{ passed: number }>;
    expect(told).toMatchObject({ failed: [], skipped: 0 });
    expect(told.passed).toBeGreaterThan(50);
  });

  test("the command runs", async () => {
    const main = join(installed?.installed ?? "", "dist", "cli", "main.js");
    const url = `sqlite:./cli-${release}.db`;
    expect(await output(node, [main, "--version"], project)).toMatch(/^\d+\.\d+\.\d+$/);
    await output(node, [main, "push", "default", '{"n":4}', "--url", url], project);
    await output(node, [main, "work", "--handlers", "./handlers.ts", "--stop-when-empty", "--url", url], project);
    const stats = JSON.parse(await output(node, [main, "stats", "--json", "--url", url], project)) as object;
    expect(JSON.stringify(stats)).toMatch(/"completed\w*":1/);
  });
});

/** None of these libraries comes with the package. */
const CLIENTS: readonly (readonly [url: string, options: object, command: string])[] = [
  ["redis://127.0.0.1:1", {}, "npm install ioredis"],
  ["redis://127.0.0.1:1", { library: "redis" }, "npm install redis"],
  ["postgres://127.0.0.1:1/jobs", {}, "npm install pg"],
  ["amqp://127.0.0.1:1", {}, "npm install amqplib"],
];

test.each(CLIENTS)("without its library %s %j says what to install", async (url, options, command) => {
  const tell = `({ code, retryable, message }) => console.log(JSON.stringify({ code, retryable, message }))`;
  const script = `import { createQueue } from "jobferry"; await createQueue("${url}", ${JSON.stringify(options)}).catch(${tell})`;
  const told: unknown = JSON.parse(await output(process.execPath, ["--input-type=module", "-e", script], project));
  const words = new RegExp(`: ${command}$`);
  expect(told).toEqual({ code: "CLIENT_MISSING", retryable: false, message: expect.stringMatching(words) });
});

test("an older Node.js is told which one the command needs", async () => {
  const main = join(installed?.installed ?? "", "dist", "cli", "main.js");
  const old = output(nodeBinary("20.20.2"), [main, "stats"], project);
  await expect(old).rejects.toMatchObject({
    code: 1,
    stderr: "error: jobferry needs Node.js 22.22.0 or newer; this is v20.20.2.\n",
  });
});

test("the guide that --help names is in the package", async () => {
  const help = await output(process.execPath, [join(installed?.installed ?? "", "dist", "cli", "main.js")], project);
  const guide = /\S+\.md(?= in the package)/.exec(help)?.[0] ?? "";
  expect(guide).not.toBe("");
  expect(existsSync(join(installed?.installed ?? "", guide))).toBe(true);
});

test("the declarations compile without @types/node and without peers", async () => {
  const flags = [
    "--noEmit",
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2024",
    "--lib",
    "es2024,esnext.disposable,dom",
  ];
  // An empty list of types: whatever lies in a parent folder's node_modules/@types stays out.
  await expect(output(process.execPath, [TYPESCRIPT, ...flags, "--types", "", "types.ts"], project)).resolves.toBe("");
});

test("the tsconfig.json of the guide compiles a user's files, libraries included", async () => {
  const types = fileURLToPath(new URL("../../node_modules/@types", import.meta.url));
  const compile = output(process.execPath, [TYPESCRIPT, "-p", "user-tsconfig.json", "--typeRoots", types], project);
  await expect(compile).resolves.toBe("");
});
