import { claiming } from "./claim.ts";
import { clearing } from "./clear.ts";
import { clock } from "./clock.ts";
import { finishing } from "./finish.ts";
import { pushing } from "./push.ts";
import { reading } from "./reading.ts";
import { records } from "./records.ts";
import { upkeep } from "./upkeep.ts";

/**
 * Each does a whole batch in one round trip, needs no prepared statement, and so works behind a proxy that pools transactions too.
 * `s`: the quoted schema.
 */
export function functions(s: string): string {
  return [clock, pushing, upkeep, claiming, finishing, clearing, reading, records].map((part) => part(s)).join("\n");
}
