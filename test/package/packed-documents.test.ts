// What users read on npm and in node_modules: its links lead somewhere, and its commands run in an empty folder.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, normalize } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { installPackage, type Installed } from "./installed.ts";

let installed: Installed;
beforeAll(async () => {
  installed = await installPackage();
});
afterAll(() => rmSync(installed.folder, { recursive: true }));

type Block = Readonly<{ language: string; from: string; code: string }>;

const FENCED = /(?:<!-- from (\S+) -->\n)?```(\w*)\n([\s\S]*?)```/g;

function blocksOf(text: string): readonly Block[] {
  return [...text.matchAll(FENCED)].map(([, from = "", language = "", code = ""]) => ({ language, from, code }));
}

/** The anchors of a document's headings, as GitHub and npm make them. */
function anchorsOf(text: string): readonly string[] {
  const headings = text.replaceAll(FENCED, "").matchAll(/^#{1,6} (.+)$/gm);
  return [...headings].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** Links that lead nowhere. Those to other sites are not looked at. */
function deadLinks(root: string, path: string): readonly string[] {
  const text = readFileSync(join(root, path), "utf8");
  const prose = text.replaceAll(FENCED, "").replaceAll(/`[^`\n]*`/g, "");
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  return links.filter((link) => {
    if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return false;
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? path : normalize(join(dirname(path), decodeURI(file)));
    if (target.startsWith("..") || !existsSync(join(root, target))) return true;
    if (anchor === undefined || !target.endsWith(".md")) return false;
    return !anchorsOf(readFileSync(join(root, target), "utf8")).includes(decodeURI(anchor));
  });
}

test("every link of a packed document leads to what is packed", () => {
  const root = installed.installed;
  const documents = globSync("**/*.md", { cwd: root });
  expect(documents).toContain("README.md");
  expect(documents.length).toBeGreaterThan(40);
  const dead = documents.flatMap((path) => deadLinks(root, path).map((link) => `${path}: ${link}`));
  expect(dead).toEqual([]);
});

test("what package.json says is packed is there", () => {
  const { files } = JSON.parse(readFileSync(join(installed.installed, "package.json"), "utf8")) as Readonly<{
    files: readonly string[];
  }>;
  expect(files.filter((path) => !existsSync(join(installed.installed, path)))).toEqual([]);
});

/** Bash in a folder of its own inside the project that has the package, or in the project itself; `jobferry` is npm's shim. */
function bash(name: string, script: string): Readonly<{ folder: string; run: (script: string) => string }> {
  const folder = join(installed.project, name);
  mkdirSync(folder, { recursive: true });
  const shims = join(installed.project, "node_modules/.bin");
  const PATH = [shims, dirname(process.execPath), process.env["PATH"]].join(delimiter);
  const run = (commands: string): string => {
    const { status, stdout, stderr } = spawnSync("bash", ["-euc", `${script}\n${commands}`], {
      cwd: folder,
      env: { ...process.env, PATH, JOBFERRY_URL: undefined, NODE_OPTIONS: "" },
      encoding: "utf8",
    });
    expect(status, `${commands}\n${stdout}${stderr}`).toBe(0);
    return stdout;
  };
  return { folder, run };
}

test.each(["README.md", "README.zh-CN.md"])("the example and the commands of %s run", (document) => {
  const blocks = blocksOf(readFileSync(join(installed.installed, document), "utf8"));
  const from = (path: string): string => {
    const found = blocks.filter((block) => block.from === path);
    expect(found.length, path).toBe(1);
    return found[0]?.code ?? "";
  };
  const { folder, run } = bash(document.replace(".md", ""), from("test/cli/guide/guide.sh#first"));
  writeFileSync(join(folder, "hello.ts"), from("examples/hello.ts#hello"));
  expect(run("node hello.ts")).toContain("Welcome, bob@example.com!\nWelcome, ada@example.com!");
  // As "npm init" writes it.
  writeFileSync(join(folder, "package.json"), '{ "type": "commonjs" }');
  writeFileSync(join(folder, "mails.mts"), from("test/cli/guide/mails.mts"));
  expect(run(from("test/cli/guide/guide.sh#first-work"))).toContain("Sending email: { to: 'ann@example.org' }");
  const shell = blocks.filter(({ language }) => language === "bash").map(({ code }) => code);
  // The others need a clone, or the registry.
  const untried = shell.filter((code) => !code.startsWith("export JOBFERRY_URL") && !code.startsWith("jobferry"));
  expect(untried.map((code) => code.split("\n", 1)[0])).toEqual([
    "npm ci && npm run demo",
    "npm init -y && npm pkg set type=module",
    "npm ci   # in a clone of this repository",
  ]);
});

test("the commands of the examples run where the package is installed, child processes included", () => {
  const text = readFileSync(join(installed.installed, "examples/README.md"), "utf8");
  const [first, onServer, ...others] = blocksOf(text).map(({ code }) => code);
  expect(others).toEqual([]);
  expect(onServer).toMatch(/^JOBFERRY_URL=redis:/);
  const { run } = bash(".", first ?? "");
  const shown = run("node examples/worker-pool.ts");
  expect(shown).toContain("Welcome, bob@example.com!\nWelcome, ada@example.com!");
  expect(shown).toContain("2 workers, 4 processed, 0 failed");
});

test("links are told apart", () => {
  const root = installed.installed;
  const path = "docs/odd.md";
  writeFileSync(
    join(root, path),
    "# A `b`: c\n[a](#a-b-c) [b](#b) [c](../LICENSE) [d](../none.md) [e](../../x) [f](https://x)",
  );
  expect(deadLinks(root, path)).toEqual(["#b", "../none.md", "../../x"]);
  rmSync(join(root, path));
});
