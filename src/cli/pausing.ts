import type { Command } from "commander";
import { JobferryError } from "../entry/index.ts";
import type { Cli } from "./cli.ts";
import { usersQueues } from "./own-queues.ts";

type Change = Readonly<{ name: string | undefined; all: boolean; paused: boolean }>;

/** It may be a slip of the pen in an emergency. */
function unknown(name: string, known: readonly string[]): string {
  const others = known.length === 0 ? "There is none yet." : `Known: ${known.join(", ")}.`;
  return `No job was pushed to "${name}" so far. ${others}`;
}

/** A queue that does not exist yet may be paused: before its first job. */
export async function changePaused(cli: Cli, command: Command, { name, all, paused }: Change): Promise<void> {
  const verb = paused ? "pause" : "resume";
  if ((name === undefined) !== all) {
    throw new JobferryError("INVALID_ARGUMENT", `Name the queue to ${verb}, or give --all instead.`);
  }
  await cli.withQueue(command, {}, async ({ queue }) => {
    if (queue.capabilities.pause.support === "unsupported")
      throw new JobferryError(
        "UNSUPPORTED",
        `This backend cannot ${verb} a queue for everybody. Each worker can: SIGTSTP stops "jobferry work" from fetching, SIGCONT lets it go on; in a program, worker.pause() and worker.resume().`,
      );
    const known = await usersQueues(queue);
    const names = name === undefined ? known : [name];
    if (name !== undefined && !known.includes(name)) cli.terminal.note(unknown(name, known));
    for (const each of names) await (paused ? queue.pause(each) : queue.resume(each));
    const list = names.length === 0 ? "no queue, there is none yet" : names.join(", ");
    cli.terminal.show({ queues: names, paused }, () => `${paused ? "Paused" : "Resumed"} ${list}`);
  });
}
