import type { Driver } from "../../src/contract/index.ts";
import { redisDriver } from "../../src/drivers/redis/index.ts";
import type { ConformanceTarget } from "../../src/testing/conformance/index.ts";
import { virtualClock } from "../../src/testing/virtual-clock.ts";
import { runSuite } from "./run-suite.ts";

function target(port: number, virtual: boolean): ConformanceTarget {
  let n = 0;
  const crashed: Driver[] = [];
  const open = () => redisDriver({ url: `redis://127.0.0.1:${port}`, prefix: `t${virtual}${process.pid}-${n}` });
  return {
    ...(virtual ? { clock: virtualClock(), realInputMs: 25 } : {}),
    open: () => {
      n += 1;
      return open();
    },
    reopen: open,
    crash: (driver) => void crashed.push(driver),
    cleanup: async () => {
      await Promise.all(crashed.splice(0).map((driver) => driver.close()));
    },
  };
}
await runSuite("redis, virtual", target(6391, true));
await runSuite("redis, real", target(6391, false));
