import { startBroker } from "./broker.ts";

const REPORT = "test-results/servers.json";
const PARENT_CHECK = 500;

/** Every project of a run calls this, in the run's main process: the first one's broker serves all. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env["JOBFERRY_SERVERS"] !== undefined) return undefined;
  // Before the first await, so that no other project gets here.
  process.env["JOBFERRY_SERVERS"] = "starting";
  endWithRunner();
  const broker = await startBroker(REPORT);
  process.env["JOBFERRY_SERVERS"] = broker.url;
  return async () => {
    delete process.env["JOBFERRY_SERVERS"];
    await broker.close();
  };
}

/** `scripts/test.mjs` names itself. Without it nobody waits for this run's result. */
function endWithRunner(): void {
  const runner = process.env["JOBFERRY_TEST_RUNNER"];
  if (runner === undefined || Number(runner) !== process.ppid) return;
  setInterval(() => {
    if (Number(runner) !== process.ppid) process.exit(1);
  }, PARENT_CHECK).unref();
}
