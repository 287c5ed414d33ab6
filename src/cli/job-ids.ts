import { JobferryError, type Queue } from "../entry/index.ts";
import { CliError } from "./cli-error.ts";
import { EXIT } from "./exit-codes.ts";
import { singleJobs } from "./single-jobs.ts";
import type { Input } from "./terminal.ts";

const MAX_TEXT = 64 * 1024 * 1024;

/** Ids given as arguments; `-` stands for those on stdin, one a line. */
export async function readIds(given: readonly string[], stdin: Input): Promise<readonly string[]> {
  if (!given.includes("-")) return [...new Set(given)];
  let text = "";
  stdin.setEncoding("utf8");
  for await (const chunk of stdin) {
    text += String(chunk);
    if (text.length > MAX_TEXT)
      throw new JobferryError(
        "INVALID_ARGUMENT",
        `stdin holds more than ${MAX_TEXT} characters of ids. Use options that choose jobs.`,
      );
  }
  const lines = text.split("\n").map((line) => line.trim());
  return [...new Set([...given.filter((id) => id !== "-"), ...lines.filter((line) => line !== "")])];
}

/** Either ids or a filter that was asked for. */
export function checkChoice(ids: readonly string[], all: boolean, narrowed: boolean, verb: string): void {
  if (ids.length > 0 && (all || narrowed)) {
    throw new JobferryError("INVALID_ARGUMENT", `Give ids or options that choose jobs to ${verb}, not both.`);
  }
  if (ids.length === 0 && !all && !narrowed) {
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `Give ids, --all, or options such as --queue to choose jobs to ${verb}.`,
    );
  }
}

/** Which of the ids could not be changed, and why: for the message of a bulk action that did less than asked. */
export async function explainMissing(
  queue: Queue,
  ids: readonly string[],
  done: number,
  verb: string,
  wanted: string,
): Promise<void> {
  if (done >= ids.length) return;
  const code = done === 0 ? "NOT_FOUND" : "BATCH_INCOMPLETE";
  const exit = done === 0 ? EXIT.notFound : EXIT.partial;
  const missing = ids.length - done;
  const reason =
    ids.length === 1 ? await reasonFor(queue, ids[0] ?? "", wanted) : `${missing} of ${ids.length} are not ${wanted}.`;
  throw new CliError(code, exit, `Could not ${verb} every job: ${reason}`, { details: { done, missing } });
}

async function reasonFor(queue: Queue, id: string, wanted: string): Promise<string> {
  const job = await singleJobs(queue).get(id);
  return job === undefined ? `there is no job "${id}".` : `job "${id}" is ${job.state}, not ${wanted}.`;
}
