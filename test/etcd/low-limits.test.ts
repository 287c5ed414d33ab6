import { describe, expect, test } from "vitest";
import { etcdQueue } from "jobferry/etcd";
import { silentLogger } from "../../src/runtime/index.ts";
import { provesLowLimits } from "../conformance/low-limits.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { storeOn } from "./stage.ts";

const make = (url: string): ReturnType<typeof etcdQueue> => etcdQueue(url, { logger: silentLogger });

describe.runIf(await isServerAvailable("etcd"))("etcd with low limits", () => {
  const bytes = { what: "--max-request-bytes 20000", args: ["--max-request-bytes", "20000"], tooLarge: 30_000 };
  provesLowLimits({ server: "etcd", ...bytes, make });
  provesLowLimits({ server: "etcd", what: "--max-txn-ops 16", args: ["--max-txn-ops", "16"], make });

  test.each([16, 127])("a store knows after its opening that the server takes %i operations", async (most) => {
    await using own = await startServer("etcd", { args: ["--max-txn-ops", String(most)] });
    await using store = await storeOn({ url: own.url });
    expect(store.capabilities.limits.operations).toBe(most);
    const queue = await make(own.url).open();
    expect(queue.capabilities.batch.atomic).toBe(Math.floor((most - 2) / 6));
    await queue.close();
  });
});
