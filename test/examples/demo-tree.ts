// What the demo works on in tests, and what it prints.
import { randomBytes } from "node:crypto";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

export const FILES = 40;
export const UNREADABLE = 5;
/** Large enough that both processes are busy when one of them is killed. */
const FILE_BYTES = 1_000_000;

/** Files in two folders, an empty one among them, a link that is no file, and one that leads round in a circle. */
export async function makeTree(folder: string): Promise<void> {
  await mkdir(join(folder, "inner", "deep"), { recursive: true });
  await writeFile(join(folder, "inner", "file-0.bin"), "");
  for (let i = 1; i < FILES; i++) {
    await writeFile(join(folder, i % 2 === 0 ? "inner" : ".", `file-${i}.bin`), randomBytes(FILE_BYTES));
  }
  await symlink(join(folder, "file-1.bin"), join(folder, "inner", "link"));
  await symlink(".", join(folder, "inner", "circle"));
}

/** How many jobs the killed process held, as the pool told. */
export function heldByKilled(stdout: string): number {
  const [, count] = /died \(signal SIGKILL\) while it ran (\d+) jobs?,/.exec(stdout) ?? [];
  if (count === undefined) throw new Error(`nothing of a killed process in:\n${stdout}`);
  return Number(count);
}

/** The numbers of the demo's table by their heads. */
export function tableOf(stdout: string): Readonly<Record<string, number>> {
  const rows = stdout.split("\n").filter((line) => line.startsWith("│"));
  const [heads = [], cells = []] = rows.map((row) =>
    row
      .split("│")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return Object.fromEntries(heads.map((head, i) => [head, Number(cells[i])]));
}
