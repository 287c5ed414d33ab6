import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "jobferry-scripts-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("conformance-names", () => {
  const cases: readonly [string, string][] = [
    ["a driver's name", 'if (kind === "sqlite") skip();'],
    ["a comparison", "if (driver.name === other) skip();"],
    ["a comparison the other way round", "if (other !== this.driver.name) skip();"],
    ["a switch", "switch (backend.name) {}"],
  ];
  it.each(cases)("reports %s", (_, line) => {
    write({ "src/testing/conformance/push.ts": line });
    expect(run("conformance-names").status).toBe(1);
  });

  it("allows titles, job names and imports", () => {
    const lines = [
      "describe(driver.name, () => {});",
      'job.name === "mail";',
      'import "../../drivers/memory/index.ts";',
    ];
    write({ "src/testing/conformance/push.ts": lines.join("\n") });
    expect(run("conformance-names")).toEqual({ status: 0, output: "" });
  });
});

describe("docs-parity", () => {
  const guide = "# Title\n\n## Part\n\n```ts\n# not a heading\n```\n";

  it("passes without documents", () => expect(run("docs-parity")).toEqual({ status: 0, output: "" }));

  it("passes when headings and code agree", () => {
    write({ "docs/guides/a.md": guide, "docs/zh/guides/a.md": guide.replace("Title", "标题").replace("Part", "部分") });
    expect(run("docs-parity")).toEqual({ status: 0, output: "" });
  });

  it("asks for the README and the guides only", () => {
    write({ "README.md": guide, "docs/guides/a.md": guide, "docs/errors.md": guide, "docs/adr/1.md": guide });
    const { output } = run("docs-parity");
    expect(output).toContain("README.zh-CN.md is missing");
    expect(output).toContain("docs/zh/guides/a.md is missing");
    expect(output.trim().split("\n")).toHaveLength(2);
  });

  it.each([
    ["a heading of another level", guide.replace("## Part", "### Part")],
    ["a heading too many", `${guide}\n## More\n`],
    ["other code", guide.replace("not a heading", "changed")],
    ["a block less", guide.split("```")[0] ?? ""],
  ])("reports %s", (_, chinese) => {
    write({ "docs/a.md": guide, "docs/zh/a.md": chinese });
    expect(run("docs-parity").status).toBe(1);
  });
});

describe("docs-blocks", () => {
  const example = [
    'import "x";',
    "function f() {",
    "  // #region part",
    "  const a = 1;",
    "  use(a);",
    "  // #endregion",
    "}",
  ];
  const stale = [
    "# T",
    ...["<!-- from examples/a.ts#part -->", "", "```ts", "old();", "```", ""],
    ...["```ts", "// examples/a.ts", "```", "", "```ts", "free();", "```", ""],
  ];

  it("reports a block that differs and fills it in", () => {
    write({ "examples/a.ts": `${example.join("\n")}\n`, "docs/a.md": stale.join("\n") });
    expect(run("docs-blocks").status).toBe(1);
    expect(run("docs-blocks", "--write")).toEqual({ status: 0, output: "" });
    expect(run("docs-blocks")).toEqual({ status: 0, output: "" });

    const document = readFileSync(join(folder, "docs/a.md"), "utf8");
    expect(document).toContain("```ts\nconst a = 1;\nuse(a);\n```");
    expect(document).toContain(
      '```ts\n// examples/a.ts\nimport "x";\nfunction f() {\n  const a = 1;\n  use(a);\n}\n```',
    );
    expect(document).toContain("```ts\nfree();\n```");
  });

  it.each(["examples/none.ts", "examples/a.ts#none"])("reports %s, which is not there", (source) => {
    write({ "examples/a.ts": example.join("\n"), "README.md": `<!-- from ${source} -->\n\`\`\`ts\n\`\`\`\n` });
    expect(run("docs-blocks", "--write").status).toBe(1);
  });
});

function write(files: Readonly<Record<string, string>>): void {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
}

function run(script: string, ...args: string[]): { status: number | null; output: string } {
  const command = [resolve(`scripts/${script}.mjs`), ...args];
  const { status, stdout, stderr } = spawnSync("node", command, { cwd: folder, encoding: "utf8" });
  return { status, output: stdout + stderr };
}
