import type { Command } from "commander";
import { JobferryError } from "../../entry/index.ts";
import { migratePostgres } from "../../entry/postgres.ts";
import type { Cli } from "../cli.ts";

export function addMigrate(program: Command, cli: Cli): void {
  program
    .command("migrate")
    .option("--dry-run", "print the SQL and change nothing")
    .option("--schema <name>", "the schema with the queue's tables (default: jobferry)")
    .description("make or update the tables of a database server; other backends need no such step")
    .action(async (options: Readonly<{ dryRun?: boolean; schema?: string }>, command: Command) => {
      const url = cli.globals(command).url ?? "";
      if (!/^postgres(ql)?:/i.test(url)) {
        throw new JobferryError(
          "INVALID_ARGUMENT",
          "jobferry migrate wants --url (or JOBFERRY_URL) with the postgres:// URL of a database. Other backends make what they need when they open.",
        );
      }
      const { dryRun = false, schema } = options;
      const { sql } = await migratePostgres(url, { dryRun, ...(schema === undefined ? {} : { schema }) });
      const done = dryRun ? "" : "The tables are up to date now.";
      cli.terminal.show({ changed: sql !== "" && !dryRun, sql }, () =>
        sql === "" ? "The tables are up to date; there is nothing to do." : dryRun ? sql.trimEnd() : done,
      );
    });
}
