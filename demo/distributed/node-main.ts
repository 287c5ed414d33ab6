import { isJobferryError } from "jobferry";
import { readEnvironment } from "./environment.ts";
import { type DemoNode, startNode } from "./node.ts";

/** One node for as long as its process is not told to stop: a process of the demo (told through its channel) or a container (by its log). */
const REPORT_EVERY_MS = process.send === undefined ? 5_000 : 200;

const stopped = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopped.abort());
process.on("message", (message) => {
  if (message === "stop") stopped.abort();
});
// The demo is gone: so is this node.
process.once("disconnect", () => stopped.abort());

try {
  await run();
  process.disconnect?.();
} catch (error) {
  const code = isJobferryError(error) ? ` (${error.code})` : "";
  console.error(`${error instanceof Error ? error.message : String(error)}${code}`);
  process.exit(1);
}

async function run(): Promise<void> {
  const settings = readEnvironment(process.env);
  const node = await startNode(settings, {
    elected: (term) => tell("elected", { term: String(term) }, `leads now, term ${term}`),
    error: (message) => tell("error", { message }, message),
  });
  tell("started", {}, `joined the ${settings.type} cluster ${settings.name}`);
  const timers = [setInterval(() => void report(node), REPORT_EVERY_MS)];
  let n = 0;
  const push = (): void => void node.push((n += 1)).catch((error: Error) => console.error(error.message));
  if (settings.pushPerSecond > 0) timers.push(setInterval(push, 1_000 / settings.pushPerSecond));
  await aborted(stopped.signal);
  for (const timer of timers) clearInterval(timer);
  await node.stop();
  tell("stopped", {}, "stopped");

  function tell(kind: string, fields: object, line: string): void {
    if (process.send === undefined) console.log(`${settings.nodeId} ${line}`);
    else if (process.connected) process.send({ kind, nodeId: settings.nodeId, ...fields });
  }

  async function report(of: DemoNode): Promise<void> {
    try {
      const row = await of.row();
      const role = row.isLeader ? "leader" : "node";
      const line = `${role}: ${row.active} of ${row.slots} slots active, ${row.done} done; ${row.onlineNodes} nodes`;
      tell("row", { row }, line);
    } catch {
      // The store is away for a moment; the cluster tells that by itself.
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
