import { globSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { printed, printedInAnyOrder, withoutTimes } from "./printed.ts";
import { inEmptyFolder, runFile } from "./run-example.ts";

/** Run by tests of their own. */
const elsewhere = ["distributed.ts", "minimal-driver.ts", "periodic-statistics.ts", "transactional-push-postgres.ts"];

describe("examples", () => {
  it("are all run", () => {
    const files = globSync("*.ts", { cwd: new URL("../../examples", import.meta.url) });
    const known = new Set([...Object.keys(printed), ...Object.keys(printedInAnyOrder), ...elsewhere]);
    expect(files.filter((file) => !known.has(file))).toEqual([]);
  });

  it.each(Object.entries(printed))("%s", async (file, lines) => {
    expect(await linesOf(`examples/${file}`)).toEqual(lines);
  });

  it.each(Object.entries(printedInAnyOrder))("%s", async (file, lines) => {
    const found = await linesOf(`examples/${file}`);
    expect(withoutTimes(found).toSorted()).toEqual(lines.toSorted());
  });

  it("distributed.ts", async () => {
    const lines = await linesOf("examples/distributed.ts");
    const pages = lines.slice(0, 4).map((line) => String(/^node-[12] did \{"page":(\d)\}$/.exec(line)?.[1]));
    expect(pages.toSorted()).toEqual(["1", "2", "3", "4"]);
    expect(lines.slice(4)).toEqual(['node-2 did {"page":5}', "leader: node-2 online: 1"]);
  });

  it("periodic-statistics.ts", async () => {
    const lines = await linesOf("examples/periodic-statistics.ts");
    expect(lines.length).toBeGreaterThanOrEqual(3);
    const form = /^pending=\d+ reserved=\d+ completed=(\d+) failed=0$/;
    const completed = lines.map((line) => Number(form.exec(line)?.[1]));
    expect(completed).toEqual(completed.toSorted((a, b) => a - b));
    expect(lines.at(-1)).toBe("pending=0 reserved=0 completed=40 failed=0");
  });

  it("signup: a producer and a worker in processes of their own", async () => {
    await inEmptyFolder(async (folder) => {
      const producer = await runFile("examples/signup/producer.ts", folder);
      expect(producer).toEqual({ code: 0, stdout: "pushed 2\nrefused: PAYLOAD_INVALID\n", stderr: "" });
      const worker = await runFile("examples/signup/worker.ts", folder);
      const stdout = "ada@example.com joined on free\nbob@example.com joined on team\n";
      expect(worker).toEqual({ code: 0, stdout, stderr: "" });
    });
  });
});

async function linesOf(file: string): Promise<readonly string[]> {
  const { code, stdout, stderr } = await inEmptyFolder((folder) => runFile(file, folder));
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.trimEnd().split("\n");
}
