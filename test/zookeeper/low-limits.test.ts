import { describe } from "vitest";
import { zookeeperQueue } from "jobferry/zookeeper";
import { silentLogger } from "../../src/runtime/index.ts";
import { provesLowLimits } from "../conformance/low-limits.ts";
import { isServerAvailable } from "../servers/shared-server.ts";

for (const server of ["zookeeper", "zookeeper-3.8"] as const)
  describe.runIf(await isServerAvailable(server))(`${server} with low limits`, () => {
    provesLowLimits({
      server,
      what: "jute.maxbuffer 20000",
      args: ["-Djute.maxbuffer=20000"],
      tooLarge: 30_000,
      make: (url) => zookeeperQueue(url, { logger: silentLogger }),
    });
  });
