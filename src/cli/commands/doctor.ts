import type { Command } from "commander";
import { createJob, type Queue } from "../../entry/index.ts";
import type { Cli } from "../cli.ts";
import { CliError } from "../cli-error.ts";
import { DEFAULT_URL, sqlitePath, withQueue } from "../connection.ts";
import { type Check, checkDurability, checkNode, checkQueues, checkRoundTrip } from "../doctor/checks.ts";
import { checkSqliteFile } from "../doctor/sqlite-file.ts";
import { EXIT } from "../exit-codes.ts";
import { LEAST_NODE } from "../../entry/node-version.ts";
import { duration } from "../option-values.ts";
import { table } from "../tables.ts";
import type { Terminal } from "../terminal.ts";
import { statsByQueue } from "./stats.ts";

const MARKS = { ok: ["green", "ok"], warning: ["yellow", "warning"], failed: ["red", "FAILED"] } as const;

export function addDoctor(program: Command, cli: Cli): void {
  const command = program
    .command("doctor")
    .description("check Node.js, the backend and its queues; exit 6 when one fails");
  command.option("--max-age <duration>", "warn when a pending job waits longer", duration(), 15 * 60_000);
  command.action(async ({ maxAge }: Readonly<{ maxAge: number }>, self: Command) => {
    const checks = [checkNode(process.version, LEAST_NODE), ...(await checkBackend(cli, self, maxAge))];
    const failed = checks.filter(({ status }) => status === "failed");
    cli.terminal.show({ ok: failed.length === 0, checks: checks.map((check) => redacted(cli.terminal, check)) }, () =>
      checksTable(cli.terminal, checks),
    );
    if (failed.length > 0) {
      const names = failed.map(({ name }) => name).join(", ");
      throw new CliError(
        "CHECK_FAILED",
        EXIT.checkFailed,
        `${failed.length} of ${checks.length} checks failed: ${names}.`,
      );
    }
  });
}

async function checkBackend(cli: Cli, command: Command, maxAge: number): Promise<readonly Check[]> {
  const globals = cli.globals(command);
  const { url } = globals;
  const opened: Check = { name: "open", status: "ok", message: cli.terminal.redact(url ?? DEFAULT_URL) };
  const checks: Check[] = [];
  try {
    await withQueue(cli.terminal, globals, {}, async ({ queue }) => {
      checks.push(opened, checkDurability(queue.capabilities, url ?? DEFAULT_URL));
      await add(checks, "round trip", async () => [await checkRoundTrip(queue, (name) => pushOwn(queue, name))]);
      await add(checks, "queues", async () => checkQueues(await statsByQueue(queue), Date.now(), maxAge));
      const path = queue.capabilities.shared ? sqlitePath(url ?? DEFAULT_URL) : undefined;
      if (path !== undefined) await add(checks, "file", () => Promise.resolve(checkSqliteFile(path)));
    });
  } catch (error) {
    checks.push({ ...opened, status: "failed", message: messageOf(error) });
  }
  return checks;
}

async function add(checks: Check[], name: string, check: () => Promise<readonly Check[]>): Promise<void> {
  try {
    checks.push(...(await check()));
  } catch (error) {
    checks.push({ name, status: "failed", message: messageOf(error) });
  }
}

function pushOwn(queue: Queue, name: string): Promise<unknown> {
  return queue.push(createJob("from jobferry doctor", { queue: name, maxLosses: 1 }));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function redacted(terminal: Terminal, check: Check): Check {
  return { ...check, message: terminal.redact(check.message) };
}

function checksTable(terminal: Terminal, checks: readonly Check[]): string {
  const rows = checks.map(({ name, status, message, fix }) => {
    const [style, text] = MARKS[status];
    return [
      { text, paint: (mark: string) => terminal.style(style, mark) },
      name,
      terminal.redact(fix === undefined ? message : `${message}. ${fix}`),
    ];
  });
  return table([{ head: "" }, { head: "CHECK" }, { head: "", max: 400 }], rows);
}
