import { describe } from "vitest";
import { consulQueue } from "jobferry/consul";
import { silentLogger } from "../../src/runtime/index.ts";
import { provesLowLimits } from "../conformance/low-limits.ts";
import { isServerAvailable } from "../servers/shared-server.ts";

describe.runIf(await isServerAvailable("consul"))("Consul with low limits", () => {
  provesLowLimits({
    server: "consul",
    what: "limits of 20000 bytes",
    args: ["-hcl", "limits { txn_max_req_len = 20000 kv_max_value_size = 20000 }"],
    tooLarge: 30_000,
    make: (url) => consulQueue(url, { logger: silentLogger }),
  });
});
