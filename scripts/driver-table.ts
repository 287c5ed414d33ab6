// Usage: node scripts/driver-table.ts [vitest report] [servers report]
// Prints which suite ran on which driver and which servers there were. Ends with 1 when a required server did not run.
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, relative } from "node:path";
import { isRequired } from "../test/servers/policy.ts";
import type { ServerRow } from "../test/servers/broker.ts";
import { isServerName, serverKinds } from "./servers/registry.ts";

const SUITES = ["conformance", "property", "process", "chaos"] as const;

type Test = Readonly<{ ancestorTitles: readonly string[]; title: string; status: string }>;
type VitestReport = Readonly<{ testResults: readonly Readonly<{ name: string; assertionResults: readonly Test[] }>[] }>;
type Counts = { passed: number; failed: number; skipped: number };

const [report = "test-results/vitest.json", serversReport = "test-results/servers.json"] = process.argv.slice(2);
const servers = read<readonly ServerRow[]>(serversReport, []);
const names = [...new Set([...driverNames(), ...Object.keys(serverKinds)])].toSorted();
const counts = countTests(read<VitestReport>(report, { testResults: [] }));

const rows = names.filter((name) => counts.has(name) || servers.some((row) => row.name === name)).map(rowOf);
if (rows.length > 0) print([["driver", ...SUITES, "server"], ...rows]);
for (const { name, what } of servers.filter(({ ran, name }) => !ran && isServerName(name) && isRequired(name))) {
  process.stdout.write(`${name} is required and did not run: ${what}\n`);
  process.exitCode = 1;
}

function driverNames(): readonly string[] {
  return globSync("src/drivers/*")
    .map((folder) => basename(folder))
    .filter((name) => name !== "shared");
}

function countTests({ testResults }: VitestReport): ReadonlyMap<string, ReadonlyMap<string, Counts>> {
  const all = new Map<string, Map<string, Counts>>();
  for (const { name: file, assertionResults } of testResults) {
    const path = relative("test", file).split("/");
    for (const test of assertionResults) {
      const driver = driverOf(path, test);
      const suite = path[0];
      if (driver === undefined || suite === undefined) continue;
      const suites = all.get(driver) ?? new Map<string, Counts>();
      const cell = suites.get(suite) ?? { passed: 0, failed: 0, skipped: 0 };
      if (test.status === "passed" || test.status === "failed") cell[test.status] += 1;
      else cell.skipped += 1;
      all.set(driver, suites.set(suite, cell));
    }
  }
  return all;
}

/** By the name of the file or a folder, else by how the title begins; `redis-cluster` is not `redis`. */
function driverOf(path: readonly string[], { ancestorTitles, title }: Test): string | undefined {
  const parts = path.map((part) => part.replace(/\.test\.ts$/, ""));
  const titles = [...ancestorTitles, title].map((text) => text.toLowerCase());
  const longestFirst = names.toSorted((left, right) => right.length - left.length);
  const titled = longestFirst.find((name) => titles.some((text) => text.startsWith(name)));
  const filed = longestFirst.find((name) => parts.includes(name));
  return titled !== undefined && (filed === undefined || titled.startsWith(filed)) ? titled : filed;
}

function rowOf(name: string): readonly string[] {
  const server = servers.find((row) => row.name === name);
  const what = server === undefined ? "" : `${server.ran ? "" : "did not run: "}${server.what.split("\n")[0] ?? ""}`;
  return [name, ...SUITES.map((suite) => cellOf(counts.get(name)?.get(suite))), what];
}

function cellOf(cell: Counts | undefined): string {
  if (!cell) return "-";
  const { passed, failed, skipped } = cell;
  const parts = [`${passed} ran`, failed > 0 ? `${failed} failed` : "", skipped > 0 ? `${skipped} skipped` : ""];
  return parts.filter((part) => part !== "").join(", ");
}

function print(lines: readonly (readonly string[])[]): void {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  for (const line of lines) {
    const cells = line.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    process.stdout.write(`${cells.join("  ").trimEnd()}\n`);
  }
}

function read<T>(file: string, otherwise: T): T {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as T) : otherwise;
}
