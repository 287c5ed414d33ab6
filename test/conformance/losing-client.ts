import type { CoordinationStore, Driver } from "../../src/contract/index.ts";
import { FaultyClient } from "./coordination/faults.ts";

/** Loses the answer of one transaction that moves jobs, and whatever is asked afterwards, until the driver is called again. */
export class LosingClient extends FaultyClient {
  loses = false;
  #heal: (() => void) | undefined;

  override transact: CoordinationStore["transact"] = async (compares, writes) => {
    this.check();
    const result = await this.inner.transact(compares, writes);
    this.check();
    const movesJobs = writes.some((write) => ("put" in write ? write.put : write.delete).includes("/n."));
    if (!this.loses || !movesJobs) return result;
    this.loses = false;
    this.#heal = this.cut();
    throw new Error("The answer was lost.");
  };

  healAtCallsOf(driver: Driver): void {
    for (const name of ["push", "finish", "reserve", "maintain"] as const) {
      const call = driver[name].bind(driver) as (...args: readonly unknown[]) => unknown;
      const healed = (...args: readonly unknown[]): unknown => {
        this.#heal?.();
        this.#heal = undefined;
        return call(...args);
      };
      Object.assign(driver, { [name]: healed });
    }
  }
}
