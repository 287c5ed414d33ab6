/** How test files get servers. `startServer` gives a private one to kill, pause and restart. */
import { test } from "vitest";
import { canHaveHosts } from "../../scripts/servers/hosts.ts";
import type { ServerName } from "../../scripts/servers/registry.ts";
import type { ServerAddress } from "../../scripts/servers/server.ts";
import type { Answer } from "./broker.ts";
import { isInCi, isRequired } from "./policy.ts";

export { startServer } from "../../scripts/servers/start-server.ts";

// The main process of the run may be killed: then nobody waits for this one, which would keep its private servers.
process.once("disconnect", () => process.exit(1));

/**
 * The one server of its kind that all files of the run share, started when the first one asks: isolate by database, key prefix
 * or virtual host. `undefined` where there is none in this run: a skipped test says why, unless the run requires it.
 *
 * ```ts
 * const server = await sharedServer("postgres");
 * if (server) await runSuite("postgres", on(server.url));
 * ```
 */
export async function sharedServer(name: ServerName): Promise<ServerAddress | undefined> {
  const answer = await ask("shared", name);
  return "address" in answer ? answer.address : undefined;
}

/** Whether `startServer(name)` can work in this run. If not, a skipped test says why, unless the run requires it. */
/** Whether servers can have hosts of their own, so that the lines between them can be cut (`startHosts`); where they cannot, the run says so. */
export async function areHostsAvailable(): Promise<boolean> {
  if (isInCi() || (await canHaveHosts())) return true;
  const reason = "the lines between servers can be cut only by root on Linux, with unshare, nsenter and ip";
  test(`servers on hosts of their own did not run: ${reason}`, ({ skip }) => skip(reason));
  return false;
}

export async function isServerAvailable(name: ServerName): Promise<boolean> {
  return !("reason" in (await ask("available", name)));
}

async function ask(question: string, name: ServerName): Promise<Answer> {
  const broker = process.env["JOBFERRY_SERVERS"];
  if (broker === undefined) throw new Error("The run has no test/servers/global-setup.ts.");
  let answer: Answer;
  do answer = (await (await fetch(`${broker}/${question}/${name}`)).json()) as Answer;
  while ("later" in answer);
  if (!("reason" in answer)) return answer;
  const message = `${name} did not run: ${answer.reason}`;
  if (isRequired(name)) throw new Error(message);
  test(message, ({ skip }) => skip(answer.reason));
  return answer;
}
