import type { Reservation } from "../../../contract/index.ts";
import type { Stage } from "../stage.ts";

/** Reserves the only job, lets the lease be lost, and reserves it again. */
export async function loseOnce(stage: Stage): Promise<Readonly<{ stale: Reservation; current: Reservation }>> {
  await stage.push(stage.item());
  const stale = await stage.takeOne({ leaseMs: stage.shortLeaseMs });
  await stage.loseLeases();
  return { stale, current: await stage.takeOne() };
}
