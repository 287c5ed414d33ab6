import { describe, expect, test } from "vitest";
import { push, withHandlers } from "./handlers.ts";

describe("signals", () => {
  const work = ["work", "--handlers", "handlers.ts"];

  async function working(wait: "polite" | "deaf" | undefined, args: readonly string[] = []) {
    const sandbox = withHandlers();
    if (wait !== undefined) await push(sandbox, { wait });
    const started = sandbox.start([...work, ...args]);
    await started.says(wait === undefined ? "Working on default" : "started");
    return { sandbox, ...started };
  }

  test.for(["SIGTERM", "SIGINT", "SIGUSR2", "SIGQUIT"] as const)("%s while idle: 0", async (signal) => {
    const { child, ended } = await working(undefined);
    child.kill(signal);
    expect(await ended).toMatchObject({ code: 0, signal: null });
  });

  test("SIGTERM and the drain deadline passed: 7, and the job is back with its attempt", async () => {
    const { sandbox, child, ended } = await working("polite", ["--stop-timeout", "100ms"]);
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 7, signal: null });
    expect(await sandbox.data(["jobs"])).toMatchObject([{ state: "pending", attempts: 0 }]);
  });

  test.for([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s twice aborts what runs: %i; the first says so", async ([signal, code]) => {
    const { sandbox, child, ended, says } = await working("polite");
    child.kill(signal);
    await says("Once more aborts them");
    child.kill(signal);
    expect(await ended).toMatchObject({ code });
    expect(await sandbox.data(["jobs"])).toMatchObject([{ state: "pending" }]);
  });

  test("a third exits at once, whatever the handler does", async () => {
    const { child, ended, says } = await working("deaf");
    child.kill("SIGTERM");
    await says("Once more aborts them");
    child.kill("SIGTERM");
    await says("Once more exits");
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 143 });
  });

  test("SIGQUIT hands a running job back now: 7", async () => {
    const { sandbox, child, ended } = await working("polite");
    child.kill("SIGQUIT");
    expect(await ended).toMatchObject({ code: 7, signal: null });
    expect(await sandbox.data(["jobs"])).toMatchObject([{ state: "pending", attempts: 0 }]);
  });

  test("SIGTSTP stops fetching, SIGCONT goes on", async () => {
    const { sandbox, child, ended, says } = await working(undefined, ["--verbose"]);
    child.kill("SIGTSTP");
    await says("no new jobs until SIGCONT");
    await push(sandbox, {}, { id: "quiet", name: "x" });
    expect(await sandbox.data(["jobs", "quiet"])).toMatchObject({ state: "pending" });
    child.kill("SIGCONT");
    await says("completed x quiet");
    child.kill("SIGTERM");
    // As systemd and timeout(1) send it behind.
    child.kill("SIGCONT");
    const { code, stderr } = await ended;
    expect(code).toBe(0);
    expect(stderr.split("SIGCONT: fetching jobs").length).toBe(2);
  });
});
