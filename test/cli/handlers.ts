import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createJob, type JobOptions } from "jobferry";
import { sqliteQueue } from "jobferry/sqlite";
import { Sandbox } from "./run-cli.ts";

const HANDLERS = `
import { writeSync } from "node:fs";
type Payload = Readonly<{ wait?: "polite" | "deaf"; fail?: string; symbol?: string }> | undefined;
export default async (job: { payload: unknown }, context: { signal: AbortSignal }): Promise<void> => {
  const { wait, fail, symbol } = (job.payload as Payload) ?? {};
  if (fail !== undefined) throw new Error(fail);
  if (symbol !== undefined) throw Object.assign(new Error(), { message: Symbol(symbol) });
  if (wait === undefined) return;
  writeSync(2, "started\\n");
  await new Promise((_, reject) => {
    if (wait === "polite") context.signal.addEventListener("abort", () => reject(context.signal.reason));
  });
};
`;

export function withHandlers(env?: Readonly<Record<string, string>>): Sandbox {
  const sandbox = new Sandbox(env);
  writeFileSync(join(sandbox.directory, "handlers.ts"), HANDLERS);
  return sandbox;
}

/** Without the command line, which is not what these tests look at. */
export async function push(sandbox: Sandbox, payload: unknown, options: JobOptions = {}): Promise<void> {
  await using queue = await sqliteQueue(sandbox.database).open();
  await queue.push(createJob<unknown>(payload, options));
}
