import { JobferryError } from "../../errors/index.ts";
import { systemClock } from "../../runtime/index.ts";
import { Connections } from "./connections.ts";
import { classify } from "./errors.ts";
import { migrate } from "./migrations.ts";
import { resolveOptions } from "./options.ts";
import type { PostgresDriverOptions } from "./options.ts";
import { checkServer } from "./server-check.ts";
import { labelOf } from "./target-label.ts";

/** Without a queue: connects, migrates, closes what it opened. `sql` is empty when there was nothing to do. */
export async function migratePostgres(
  options: PostgresDriverOptions,
  dryRun: boolean,
): Promise<Readonly<{ sql: string }>> {
  const settings = resolveOptions(options);
  const label = labelOf(settings);
  const connections = await Connections.make(settings, systemClock);
  try {
    await checkServer(connections, label);
    return { sql: await migrate(connections, settings.schema, dryRun) };
  } catch (error) {
    const { code, retryable, message } = classify(error, label);
    const text = message ?? (error instanceof Error ? error.message : String(error));
    throw new JobferryError(code, `migrate failed: ${text}`, { cause: error, retryable });
  } finally {
    await connections.close();
  }
}
