import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { confirm } from "../../src/cli/confirm.ts";
import { Terminal } from "../../src/cli/terminal.ts";

/** A terminal at which somebody types `answer`. */
function at(answer: string, isTTY = true): { terminal: Terminal; stderr: () => string; stdout: () => string } {
  const stdin = Object.assign(new PassThrough(), { isTTY });
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  stdin.write(answer);
  const text = (stream: PassThrough) => () => String(stream.read() ?? "");
  return { terminal: new Terminal({ stdin, stdout, stderr }), stderr: text(stderr), stdout: text(stdout) };
}

test("the word itself goes on; the question is on stderr", async () => {
  const { terminal, stderr, stdout } = at("mails\n");
  await confirm(terminal, "Removing 3 jobs", "mails", false);
  expect(stderr()).toContain('Removing 3 jobs cannot be undone. Type "mails" to go on: ');
  expect(stdout()).toBe("");
});

test.for(["y\n", "yes\n", "Mails\n", "\n"])("%j does nothing", async (answer) => {
  const { terminal } = at(answer);
  await expect(confirm(terminal, "Removing", "mails", false)).rejects.toMatchObject({
    code: "NOT_CONFIRMED",
    exitCode: 2,
  });
});

test("the end of the input does nothing", async () => {
  const { terminal } = at("mai");
  (terminal.stdin as PassThrough).end();
  await expect(confirm(terminal, "Removing", "mails", false)).rejects.toMatchObject({ code: "NOT_CONFIRMED" });
});

test("no question without a terminal, nor with --yes", async () => {
  const piped = at("mails\n", false);
  await expect(confirm(piped.terminal, "Removing", "mails", false)).rejects.toMatchObject({ code: "NOT_CONFIRMED" });
  expect(piped.stderr()).toBe("");
  const sure = at("");
  await confirm(sure.terminal, "Removing", "mails", true);
  expect(sure.stderr()).toBe("");
});
