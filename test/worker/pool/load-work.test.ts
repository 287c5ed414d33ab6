import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isJobferryError, loadWork } from "../../../src/entry/index.ts";
import { CHILDREN, Stage } from "./stage.ts";

let directory = "";

/** Written at run time: most of them are nothing that a compiler or linter lets pass. */
const FILES: Readonly<Record<string, string>> = {
  "lib.ts": "export const x = 1;\nexport interface Shape { a: number }\n",
  "deep/index.ts": "export const x = 1;\n",
  "enum.ts": "export const a = 1;\nenum Color { red }\nexport default () => Color.red;\n",
  "parameter.ts": "class A { constructor(readonly b: number) {} }\nexport default () => new A(1);\n",
  "namespace.ts": "namespace N { export const a = 1 }\nexport default () => N.a;\n",
  "nested.ts": 'import "./enum.ts";\nexport default () => 1;\n',
  "js-import.ts": 'import { x } from "./lib.js";\nexport default () => x;\n',
  "no-extension.ts": 'import { x } from "./lib";\nexport default () => x;\n',
  "folder.ts": 'import { x } from "./deep";\nexport default () => x;\n',
  "deep/up.ts": 'import { x } from "../lib.js";\nexport default () => x;\n',
  "no-file.ts": 'import "./nothing.ts";\nexport default () => 1;\n',
  "no-package.ts": 'import "no-such-package-here";\nexport default () => 1;\n',
  "syntax.ts": "export const a = 1;\nexport default () => { const ; }\n",
  "syntax.mjs": "export default () => { const ; }\n",
  "type-import.ts": 'import { Shape } from "./lib.ts";\nexport default () => ({ a: 1 }) as Shape;\n',
  "throws.ts": 'throw new Error("no database here");\n',
  "exits.mjs": "process.exit(3);\n",
  "named.ts": "export const handler = () => 1;\n",
  "number.ts": "export default 5;\n",
  "no-routes.ts": "export default [];\n",
  "twice.ts": 'const r = { name: "a", handler: () => 1 };\nexport default [r, r];\n',
  "unclosed.mjs": "export const a = () => {\nexport default () => 1;\n",
  "common/unclosed.mjs": "export const a = () => {\nexport default () => 1;\n",
  "common/package.json": '{ "type": "commonjs" }',
  "common/export.ts": "export default () => 1;\n",
  "common/import.js": 'import "node:fs";\nexport default () => 1;\n',
  "common/meta.ts": "export default () => import.meta.url;\n",
  "compiled.cjs": 'exports.__esModule = true;\nexports.default = () => "from CommonJS";\n',
};

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "jobferry-load-"));
  for (const folder of ["deep", "common"]) mkdirSync(join(directory, folder));
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(directory, name), text);
});
afterAll(() => rmSync(directory, { recursive: true }));

const urlOf = (name: string): URL => pathToFileURL(join(directory, name));

// Loaded by Node.js itself, in a thread; the test runner's own import would take any TypeScript.
it.each([
  ["absent.ts", ["absent.ts does not exist. Check the path."]],
  ["enum.ts", ["enum.ts, line 2: TypeScript enum is not supported", "a const object and a union instead of an enum"]],
  ["nested.ts", ["nested.ts does not load", "enum.ts, line 2"]],
  ["parameter.ts", ["declared fields instead of parameter properties"]],
  ["namespace.ts", ["a module instead of a namespace"]],
  ["js-import.ts", ["lib.ts is there", 'import "./lib.ts".']],
  ["no-extension.ts", ['import "./lib.ts".']],
  ["folder.ts", ['import "./deep/index.ts".']],
  ["deep/up.ts", ['import "../lib.ts".']],
  ["no-file.ts", ["Cannot find module", "nothing.ts", "Correct the path."]],
  ["no-package.ts", ["Install the package, or correct its name."]],
  ["syntax.ts", ["syntax.ts, line 2: It is not valid TypeScript"]],
  ["syntax.mjs", ["Unexpected token ';'", '"node --check" shows where.']],
  ["common/export.ts", ["export.ts, line 1: Unexpected token 'export'", '"type": "module" there', ".mts or .mjs"]],
  ["common/import.js", ["import.js, line 1: Cannot use import statement", "It is an ES module"]],
  ["common/meta.ts", ["It is an ES module"]],
  ["unclosed.mjs", ["Unexpected token 'export'. \"node --check\" shows where."]],
  ["common/unclosed.mjs", ["Unexpected token 'export'. \"node --check\" shows where."]],
  ["type-import.ts", ["does not provide an export named 'Shape'", 'import it with "import type"']],
  ["throws.ts", ["It threw while it was loaded: no database here"]],
  ["exits.mjs", ["The child ended while it loaded it (exit code 3)."]],
  ["named.ts", ["must export its handlers as default", "It exports only handler."]],
  ["number.ts", ["must export its handlers as default", "work is 5"]],
  ["no-routes.ts", ["an array of at least one route"]],
  ["twice.ts", ["a name that no other route has"]],
])("%s fails the start with what to change", async (name, parts) => {
  await using stage = new Stage("threads", {}, urlOf(name));
  const error: unknown = await stage.pool.start().catch((thrown: unknown) => thrown);
  expect(isJobferryError(error, "MODULE_INVALID"), String(error)).toBe(true);
  for (const part of parts) expect((error as Error).message).toContain(part);
  expect(stage.pool.getStats().status).toBe("idle");
  expect(stage.told.error).toEqual([]); // no crash loop
});

describe.each(CHILDREN)("a pool of %s", (isolation) => {
  it("can be started again when the module was mended", async () => {
    const file = `mended-${isolation}.ts`;
    writeFileSync(join(directory, file), FILES["enum.ts"]!);
    await using stage = new Stage(isolation, { workers: 2 }, urlOf(file));
    await expect(stage.pool.start()).rejects.toThrow("TypeScript enum");
    writeFileSync(join(directory, file), "export default (job) => job.payload;\n");
    await stage.pool.start();
    expect(await stage.result("any", "mended")).toBe("mended");
  });
});

it("takes what a compiler made CommonJS of", async () => {
  await using stage = new Stage("threads", {}, urlOf("compiled.cjs"));
  await stage.pool.start();
  expect(await stage.result("any")).toBe("from CommonJS");
});

it("gives an inline pool its handlers", async () => {
  const work = await loadWork(new URL("./modules/plain.mjs", import.meta.url));
  expect(typeof work).toBe("function");
  await expect(loadWork(urlOf("absent.ts"))).rejects.toThrow("does not exist");
  await expect(loadWork("./handlers.ts" as never)).rejects.toThrow("a file: URL");
});
