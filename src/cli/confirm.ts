import { createInterface } from "node:readline/promises";
import { CliError } from "./cli-error.ts";
import { EXIT } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Asks before something that cannot be undone: the user types `word`. Never asks where nobody can answer.
 * @throws CliError NOT_CONFIRMED
 */
export async function confirm(terminal: Terminal, what: string, word: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (terminal.stdin.isTTY !== true) {
    throw new CliError("NOT_CONFIRMED", EXIT.usage, `${what} cannot be undone. Nothing was done; confirm with --yes.`);
  }
  const questions = createInterface({ input: terminal.stdin, output: terminal.stderr });
  const aborted = new AbortController();
  questions.once("close", () => aborted.abort()); // Ctrl-C, Ctrl-D
  try {
    const question = terminal.redact(`${what} cannot be undone. Type "${word}" to go on: `);
    const answer = await questions.question(question, { signal: aborted.signal }).catch(() => "");
    if (answer.trim() !== word) throw new CliError("NOT_CONFIRMED", EXIT.usage, "Not confirmed; nothing was done.");
  } finally {
    questions.close();
  }
}
