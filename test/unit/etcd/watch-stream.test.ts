import { expect, test } from "vitest";
import type { Channel } from "../../../src/drivers/etcd/client/channel.ts";
import { Follower } from "../../../src/drivers/etcd/client/follower.ts";
import { WatchStream } from "../../../src/drivers/etcd/client/watch-stream.ts";

/** A server that says nothing. */
const silent = { isUsable: true, open: () => ({ send: () => undefined, cancel: () => undefined }) };

test("a watch that is added when the last one has just ended the stream fails, and waits for nothing", async () => {
  const stream = new WatchStream(silent as unknown as Channel, undefined);
  const remove = stream.add(new Follower("a", 1n));
  remove();
  const late = new Follower("b", 1n);
  stream.add(late)();
  await expect(late.next()).rejects.toThrow("the watches ended");
});
