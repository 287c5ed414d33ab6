import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { FILES, makeTree, tableOf, UNREADABLE } from "./demo-tree.ts";
import { inEmptyFolder, runFile, type Run } from "./run-example.ts";

describe("demo", () => {
  it("loses nothing when a process is killed, and agrees with a plain walk", async () => {
    const { code, stdout } = await runDemo();
    expect(tableOf(stdout)).toEqual({
      files: FILES + UNREADABLE,
      completed: FILES,
      redelivered: expect.toSatisfy((jobs: number) => jobs >= 1),
      failed: UNREADABLE,
      lost: 0,
      "jobs/s": expect.toSatisfy((rate: number) => rate > 0),
    });
    expect(stdout).toMatch(/Killed process \d+ with SIGKILL/);
    expect(stdout).toContain(`${FILES} hashes are right, ${UNREADABLE} unreadable files failed.`);
    expect(stdout).toContain("Everything agrees.");
    expect(code).toBe(0);
  });

  it("tells a wrong hash and a job that failed without reason", async () => {
    const handler = fileURLToPath(new URL("./falsifying-handler.ts", import.meta.url));
    const { code, stdout } = await runDemo("--handler", handler);
    expect(stdout).toMatch(/DIFFERENT: .*file-7\.bin has SHA-256 [0-9a-f]{64}, but the job says 0{64}/);
    expect(stdout).toMatch(/DIFFERENT: .*file-8\.bin can be read, but its job failed/);
    expect(stdout).toContain("2 differences.");
    expect(code).toBe(1);
  });

  it("tells what it leaves out", async () => {
    const { code, stdout } = await runDemo("--max-files", "10");
    expect(stdout).toContain(`${FILES - 10} of them are beyond --max-files or --max-megabytes and left out.`);
    expect(tableOf(stdout)).toMatchObject({ files: 10 + UNREADABLE, completed: 10, failed: UNREADABLE, lost: 0 });
    expect(code).toBe(0);
  });
});

function runDemo(...options: readonly string[]): Promise<Run> {
  return inEmptyFolder(async (folder) => {
    await makeTree(folder);
    return runFile("demo/main.ts", folder, [folder, ...options]);
  });
}
