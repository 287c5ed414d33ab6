import { JobferryError, type JobState, type Queue } from "../entry/index.ts";
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

/** So many ids are changed one by one, so that it can be told which were left; more go in bulk. */
const MAX_TOLD = 500;
const MAX_SHOWN = 10;

/** `left`: the ids that were not changed; undefined where there were too many to tell. */
export type Changed = Readonly<{ done: number; left: readonly string[] | undefined }>;

export async function changeIds(
  ids: readonly string[],
  change: (ids: readonly string[]) => Promise<number>,
): Promise<Changed> {
  if (ids.length > MAX_TOLD) return { done: await change(ids), left: undefined };
  const left: string[] = [];
  for (const id of ids) if ((await change([id])) === 0) left.push(id);
  return { done: ids.length - left.length, left };
}

/** Which of the ids could not be changed, and why: for the message of a bulk action that did less than asked. */
export async function explainMissing(
  queue: Queue,
  ids: readonly string[],
  { done, left }: Changed,
  verb: string,
  wanted?: JobState,
): Promise<void> {
  if (done >= ids.length) return;
  const code = done === 0 ? "NOT_FOUND" : "BATCH_INCOMPLETE";
  const exit = done === 0 ? EXIT.notFound : EXIT.partial;
  const missing = ids.length - done;
  const reason =
    left === undefined
      ? `${missing} of ${ids.length} were left. Give at most ${MAX_TOLD} ids at once to be told which.`
      : await reasonsFor(queue, left, wanted);
  const details = { done, missing, ...(left === undefined ? {} : { left }) };
  throw new CliError(code, exit, `Could not ${verb} every job: ${reason}`, { details });
}

async function reasonsFor(queue: Queue, ids: readonly string[], wanted: JobState | undefined): Promise<string> {
  const reasons: string[] = [];
  for (const id of ids.slice(0, MAX_SHOWN)) reasons.push(await reasonFor(queue, id, wanted));
  const more = ids.length > MAX_SHOWN ? `; and ${ids.length - MAX_SHOWN} more` : "";
  return `${reasons.join("; ")}${more}.`;
}

async function reasonFor(queue: Queue, id: string, wanted: JobState | undefined): Promise<string> {
  const job = await singleJobs(queue).get(id);
  if (job === undefined) return `there is no job "${id}"`;
  return `job "${id}" is ${job.state}${wanted === undefined ? "" : `, not ${wanted}`}`;
}
