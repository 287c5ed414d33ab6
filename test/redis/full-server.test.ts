// A server that takes no more writes: pushes are told so, what was confirmed is there, and work goes on with room.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createJob, type Queue } from "jobferry";
import { redisCommand } from "../../scripts/servers/redis-command.ts";
import { systemClock } from "../../src/runtime/index.ts";
import { isServerAvailable, startServer } from "../servers/shared-server.ts";
import { openError, queueOn, rejection, until } from "./stage.ts";

/**
 * A push whose time is over while a try is under way may be stored or not, and is told that instead. Without jitter the last try starts after 775 ms (25 + 50 + 100 + 200 + 400), and the
 * next pause would be too long: it is answered long before the end.
 */
const OPTIONS = { pushTimeout: "1500ms", clock: { ...systemClock, random: () => 1 } } as const;

async function fill(queue: Queue): Promise<void> {
  const payload = "x".repeat(1_000_000);
  for (;;) await queue.push(createJob(payload));
}

// Redis 6.2 tells in other words why a script could not write.
const KINDS = ["redis", "redis-6.2"] as const;
for (const kind of KINDS) if (await isServerAvailable(kind)) onServer(kind);

function onServer(kind: (typeof KINDS)[number]): void {
  describe(`${kind} without room`, () => {
    it.each(["ioredis", "redis"] as const)("has reached maxmemory, with %s", async (library) => {
      await using full = await startServer(kind, { maxMemory: "8mb" });
      await using queue = queueOn(full.url, { ...OPTIONS, library });
      await queue.open();
      const error = await rejection(fill(queue));
      expect(error).toMatchObject({ code: "STORE_FULL", retryable: true });
      expect(error.message).toContain("Raise maxmemory or let workers catch up");
      expect(error.message).toContain("no room came");
      const stored = await queue.size();
      // What was confirmed is there, and a worker makes room for the next one.
      await (await queue.pop())?.complete();
      await queue.push(createJob("in its place"));
      expect(await queue.size()).toBe(stored);
    });

    it("cannot save to its disk", async () => {
      const dir = mkdtempSync(join(tmpdir(), "jobferry-gone-"));
      await using unsaved = await startServer(kind, { args: ["--dir", dir] });
      await using queue = queueOn(unsaved.url, OPTIONS);
      await queue.push(createJob("before"));
      rmSync(dir, { recursive: true });
      await redisCommand(unsaved, "CONFIG", "SET", "save", "3600 1");
      await redisCommand(unsaved, "BGSAVE");
      await until(
        async () => (await redisCommand(unsaved, "INFO", "persistence")).includes("last_bgsave_status:err"),
        20_000,
      );
      const error = await rejection(queue.push(createJob("refused")));
      expect(error).toMatchObject({ code: "STORE_FULL", retryable: true });
      expect(error.message).toContain("cannot persist to its disk. Look at its disk and its log");
      expect(await openError(unsaved.url)).toMatchObject({ code: "STORE_FULL", retryable: true });
      expect(await queue.size()).toBe(1);
      const waiting = queue.push(createJob("waits for room"));
      await redisCommand(unsaved, "CONFIG", "SET", "stop-writes-on-bgsave-error", "no");
      await waiting;
      expect(await queue.size()).toBe(2);
    });
  });
}
