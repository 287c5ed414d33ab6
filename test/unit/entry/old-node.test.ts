import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { LEAST_NODE } from "../../../src/entry/node-version.ts";

const root = new URL("../../../", import.meta.url);

/** A process that has what Node.js 20 has of the features that are used from the first call on. */
function importWithout(feature: string): string {
  const script = `import(${JSON.stringify(new URL("src/entry/index.ts", root).href)}).then(
    () => console.log("loaded"), (error) => console.log(error.name, error.code, error.message))`;
  const taken = ["--import", `data:text/javascript,delete ${feature}`];
  return spawnSync(process.execPath, [...taken, "--input-type=module", "-e", script], { encoding: "utf8" }).stdout;
}

test("on a Node.js that is too old the import fails and says which one is needed", () => {
  expect(importWithout("Promise.withResolvers")).toBe(
    `JobferryError UNSUPPORTED jobferry needs Node.js ${LEAST_NODE} or newer; this is ${process.version}.\n`,
  );
  expect(importWithout("Promise.nothing")).toBe("loaded\n");
});

test("it is the version that package.json names", () => {
  const { engines } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as Record<
    string,
    { node: string }
  >;
  expect(`${engines?.node}.0`).toBe(`>=${LEAST_NODE}`);
});
