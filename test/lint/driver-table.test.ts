import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "jobferry-table-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tests = [
  ["test/conformance/memory.test.ts", "memory, copy: true", "passed"],
  ["test/conformance/memory.test.ts", "memory, copy: false", "failed"],
  ["test/conformance/redis.test.ts", "redis", "passed"],
  ["test/conformance/redis.test.ts", "redis-cluster", "skipped"],
  ["test/property/drivers.test.ts", "SQLite", "passed"],
  ["test/unit/memory/slot.test.ts", "slot", "passed"],
  ["test/property/codec.test.ts", "codec", "passed"],
] as const;
const testResults = tests.map(([name, title, status]) => ({
  name: resolve(name),
  assertionResults: [{ ancestorTitles: [title], title: "pushes", status }],
}));
const servers = [
  { name: "redis", ran: true, what: "7.0.15" },
  { name: "postgres", ran: false, what: "left out by --only\nand more" },
];

it("tells what ran where, and why something did not", () => {
  expect(table({})).toEqual({
    status: 0,
    lines: [
      "driver         conformance      property  process  chaos  server",
      "memory         1 ran, 1 failed  -         -        -",
      "postgres       -                -         -        -      did not run: left out by --only",
      "redis          1 ran            -         -        -      7.0.15",
      "redis-cluster  0 ran, 1 skipped  -         -        -",
      "sqlite         -                1 ran     -        -",
    ].map((line) => expect.stringMatching(new RegExp(`^${line.replaceAll(/\s+/g, "\\s+")}$`))),
  });
});

it.each([{ JOBFERRY_REQUIRE: "all" }, { CI: "true" }])("fails when a server did not run and the run has %o", (env) => {
  const { status, lines } = table(env);
  expect(status).toBe(1);
  expect(lines.at(-1)).toContain("and more");
});

function table(env: Readonly<Record<string, string>>): { status: number | null; lines: readonly string[] } {
  const files = [join(folder, "vitest.json"), join(folder, "servers.json")] as const;
  writeFileSync(files[0], JSON.stringify({ testResults }));
  writeFileSync(files[1], JSON.stringify(servers));
  const { CI: _ci, JOBFERRY_REQUIRE: _require, ...rest } = process.env;
  const args = ["--disable-warning=ExperimentalWarning", "scripts/driver-table.ts", ...files];
  const { stdout, status } = spawnSync("node", args, { encoding: "utf8", env: { ...rest, ...env } });
  return { status, lines: stdout.trimEnd().split("\n") };
}
