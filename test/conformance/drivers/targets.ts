import type { Driver } from "../../../src/contract/index.ts";
import type { ConformanceTarget } from "../../../src/testing/conformance/index.ts";
import { virtualClock } from "../../../src/testing/virtual-clock.ts";
import type { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { BrokerDriver } from "./broker.ts";
import { BrokerServer } from "./broker-server.ts";
import { KvDriver } from "./kv.ts";
import { KvServer } from "./kv-server.ts";
import { LogDriver } from "./log.ts";
import { LogServer } from "./log-server.ts";

interface Mortal extends Driver {
  crash(): void;
  loseNextAnswer(call: "push" | "finish"): void;
}

/** Several drivers on one server in this process, on a virtual clock. */
function onServer<Server, D extends Mortal>(
  start: (clock: VirtualClock) => Server,
  connect: (server: Server) => D,
): ConformanceTarget {
  const clock = virtualClock();
  const servers = new Map<Driver, Server>();
  const drivers = new Map<Driver, D>();
  const onto = (server: Server): D => {
    const driver = connect(server);
    servers.set(driver, server);
    drivers.set(driver, driver);
    return driver;
  };
  const known = <T>(map: ReadonlyMap<Driver, T>, driver: Driver): T => {
    const found = map.get(driver);
    if (found === undefined) throw new Error("a driver that this target did not open");
    return found;
  };
  return {
    clock,
    open: () => onto(start(clock)),
    reopen: (first) => onto(known(servers, first)),
    crash: (driver) => known(drivers, driver).crash(),
    loseAnswer: (driver, call) => known(drivers, driver).loseNextAnswer(call),
    cleanup: () => {
      servers.clear();
      drivers.clear();
    },
  };
}

export const kvTarget = (): ConformanceTarget =>
  onServer(
    (clock) => new KvServer(clock),
    (server) => new KvDriver(server),
  );

export const brokerTarget = (): ConformanceTarget =>
  onServer(
    (clock) => new BrokerServer(clock),
    (server) => new BrokerDriver(server),
  );

export const logTarget = (): ConformanceTarget =>
  onServer(
    (clock) => new LogServer(clock),
    (server) => new LogDriver(server),
  );
