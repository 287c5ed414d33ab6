import { closeSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";

const OF_A_LEASE = /"type":"(start|extended|finishing|finish|refused)"/;

/**
 * Tells whether a lease began or ended in any process since it was last asked, by what the processes write down. A store that cannot count what is reserved
 * looks empty while jobs go from a handler to a short delay and back.
 */
export function leaseActivity(folder: string): () => boolean {
  const read = new Map<string, number>();
  return () => {
    let isActive = false;
    for (const name of readdirSync(folder)) {
      if (!name.endsWith(".log")) continue;
      const file = openSync(join(folder, name), "r");
      const from = read.get(name) ?? 0;
      const added = Buffer.alloc(fstatSync(file).size - from);
      readSync(file, added, 0, added.length, from);
      closeSync(file);
      read.set(name, from + added.length);
      isActive ||= OF_A_LEASE.test(added.toString());
    }
    return isActive;
  };
}
