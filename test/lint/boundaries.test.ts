import { existsSync, readdirSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lintFiles } from "./oxlint.ts";
import type { Finding } from "./oxlint.ts";

const base = ["contract", "errors", "runtime"];
const mayImport: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  errors: ["contract"],
  runtime: ["contract", "errors"],
  core: base,
  worker: [...base, "core"],
  cluster: [...base, "core"],
  distributed: [...base, "core", "worker", "cluster"],
  observability: [...base, "core"],
  "drivers/memory": [...base, "drivers/shared"],
  "drivers/redis": [...base, "drivers/shared"],
  "drivers/shared": base,
  entry: [
    ...base,
    ...["core", "worker", "cluster", "distributed", "observability"],
    ...["drivers/memory", "drivers/redis", "drivers/shared"],
  ],
  testing: [...base, "core", "worker", "drivers/memory"],
  cli: ["entry"],
  dashboard: ["entry"],
};
const parts = Object.keys(mayImport);
const drivers = [
  ...["memory", "sqlite", "postgres", "mysql", "redis", "coordinated", "etcd", "consul"],
  ...["zookeeper", "rabbitmq", "kafka", "rocketmq", "activemq"],
];
const forms = ["import type", "export type", "import()"] as const;
const ways = ["Date.now()", "Math.random()", "performance.now()", "setTimeout(noop, 1)", "setInterval(noop, 1)"];
const modules = ["node:timers", "node:timers/promises", "node:perf_hooks"];

const imports = "eslint(no-restricted-imports)";
const cycles = "import(no-cycle)";
const files: Record<string, string> = {};
let folder = "";
let findings: readonly Finding[] = [];

for (const part of parts) files[`src/${part}/index.ts`] = "export type Thing = string;\nexport const thing = 1;\n";
for (const [from, to] of pairs()) {
  for (const form of forms) files[importer(from, to, form)] = statement(form, pathTo(from, to));
}
for (const driver of drivers)
  files[`src/drivers/other/uses-${driver}.ts`] = statement("import type", `../${driver}/x.ts`);
for (const part of ["core", "drivers/redis", "worker"]) {
  for (const [index, use] of ways.entries()) {
    files[`src/${part}/time-${index}.ts`] = `export const noop = (): void => {};\nexport const got = ${use};\n`;
  }
  for (const [index, name] of modules.entries()) files[`src/${part}/module-${index}.ts`] = `export * from "${name}";\n`;
}
Object.assign(files, {
  "src/contract/node.ts": statement("import type", "node:events"),
  "src/contract/sibling.ts": statement("import type", "./index.ts"),
  "src/entry/testing.ts": statement("export type", "../testing/index.ts"),
  "src/entry/conformance.ts": statement("export type", "../testing/index.ts"),
  "src/testing/redis.ts": statement("import type", "../drivers/redis/index.ts"),
  "src/core/self.ts": statement("import type", "jobferry/sqlite"),
  "src/runtime/now.ts": "export const now = (): number => Date.now() + performance.now();\n",
  "src/core/value-a.ts": 'import { b } from "./value-b.ts";\nexport const a = (): unknown => b;\n',
  "src/core/value-b.ts": 'import { a } from "./value-a.ts";\nexport const b = (): unknown => a;\n',
  "src/core/type-a.ts": 'import type { B } from "./type-b.ts";\nexport type A = { b?: B };\n',
  "src/core/type-b.ts": 'import type { A } from "./type-a.ts";\nexport type B = { a?: A };\n',
  "src/core/floating.ts": "export function start(): void {\n  Promise.resolve(1);\n}\n",
  "src/core/misused.ts": "export const run = (f: () => void): void => f();\nrun(async () => {});\n",
  "src/core/inline-type.ts": 'export type T = import("./index.ts").Thing;\n',
  "src/core/any.ts": "export const loose = (value: any): unknown => value;\n",
  "src/core/non-null.ts": "export const sure = (value?: string): string => value!;\n",
  "src/core/switch.ts": [
    'export function f(kind: "a" | "b"): number {',
    '  switch (kind) {\n    case "a":\n      return 1;\n  }\n  return 2;\n}\n',
  ].join("\n"),
});

beforeAll(() => {
  ({ folder, findings } = lintFiles(files));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("imports between the parts", () => {
  it.each(pairs().filter(([from, to]) => !mayImport[from]?.includes(to)))("%s may not import %s", (from, to) => {
    for (const form of forms) expect(rulesOf(importer(from, to, form)), form).toContain(imports);
  });

  it.each(pairs().filter(([from, to]) => mayImport[from]?.includes(to)))("%s may import %s", (from, to) => {
    for (const form of forms) expect(rulesOf(importer(from, to, form)), form).toEqual([]);
  });

  it.each(drivers)("no driver may import the driver %s", (driver) => {
    expect(rulesOf(`src/drivers/other/uses-${driver}.ts`)).toContain(imports);
  });

  it.each(["src/contract/node.ts", "src/testing/redis.ts", "src/core/self.ts"])("%s is reported", (file) => {
    expect(rulesOf(file)).toContain(imports);
  });

  it.each(["src/contract/sibling.ts", "src/entry/testing.ts", "src/entry/conformance.ts"])("%s is allowed", (file) => {
    expect(rulesOf(file)).toEqual([]);
  });

  it("names every folder of src and every driver", () => {
    const known = new Set(parts.map((part) => part.split("/")[0]));
    expect(foldersOf("src").filter((name) => !known.has(name))).toEqual([]);
    expect(foldersOf("src/drivers").filter((name) => name !== "shared" && !drivers.includes(name))).toEqual([]);
  });
});

describe("time", () => {
  it.each(ways)("%s is reported outside runtime", (use) => {
    const rule = /^(Date|Math)/.test(use) ? "eslint(no-restricted-properties)" : "eslint(no-restricted-globals)";
    for (const part of ["core", "drivers/redis", "worker"]) {
      expect(rulesOf(`src/${part}/time-${ways.indexOf(use)}.ts`), part).toContain(rule);
    }
  });

  it.each(modules)("%s is reported outside runtime", (name) => {
    for (const part of ["core", "drivers/redis", "worker"]) {
      expect(rulesOf(`src/${part}/module-${modules.indexOf(name)}.ts`), part).toContain(imports);
    }
  });

  it("is allowed in runtime", () => expect(rulesOf("src/runtime/now.ts")).toEqual([]));
});

describe("code", () => {
  it.each([
    ["value-a", cycles],
    ["value-b", cycles],
    ["type-a", cycles],
    ["type-b", cycles],
    ["floating", "typescript(no-floating-promises)"],
    ["misused", "typescript(no-misused-promises)"],
    ["inline-type", "typescript(consistent-type-imports)"],
    ["any", "typescript(no-explicit-any)"],
    ["non-null", "typescript(no-non-null-assertion)"],
    ["switch", "typescript(switch-exhaustiveness-check)"],
  ])("src/core/%s.ts breaks %s", (name, rule) => {
    expect(rulesOf(`src/core/${name}.ts`)).toContain(rule);
  });
});

function pairs(): (readonly [from: string, to: string])[] {
  return parts.flatMap((from) => parts.filter((to) => to !== from).map((to) => [from, to] as const));
}

function importer(from: string, to: string, form: string): string {
  return `src/${from}/uses-${to.replace("/", "-")}-${form.replace(/\W+/g, "-")}.ts`;
}

function pathTo(from: string, to: string): string {
  return `${"../".repeat(from.split("/").length)}${to}/index.ts`;
}

function statement(form: (typeof forms)[number], path: string): string {
  if (form === "import()") return `export const load = (): Promise<unknown> => import("${path}");\n`;
  if (form === "export type") return `export type { Thing } from "${path}";\n`;
  return `import type { Thing } from "${path}";\nexport type Used = Thing;\n`;
}

function rulesOf(file: string): readonly string[] {
  expect(files).toHaveProperty([file]);
  return findings.filter((finding) => finding.file === file).map((finding) => finding.rule);
}

function foldersOf(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  const entries = readdirSync(path, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}
