/** Nothing of a closed queue keeps its process alive. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";

const PROCESS = fileURLToPath(new URL("closing-process.ts", import.meta.url));
/** Its start on a busy machine included. */
const EXITS_WITHIN_MS = 30_000;

/** Opens and closes queues one after the other, at moments that differ, then ends by itself or is killed. */
async function exitCode(url: string, library: string): Promise<number | null> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", PROCESS, url, library], {
    stdio: ["ignore", "inherit", "inherit"],
    timeout: EXITS_WITHIN_MS,
  });
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}

for (const kind of ["redis", "redis-sentinel", "redis-cluster"] as const) {
  describe.runIf(await isServerAvailable(kind))(`closed queues on ${kind}`, () => {
    it.each(["ioredis", "redis"])("let their process end, with %s", async (library) => {
      await using server = await startServer(kind);
      expect(await exitCode(server.url, library)).toBe(0);
    });
  });
}
