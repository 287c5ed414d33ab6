// A message to all nodes that are there, or back in time.
// #region broadcast
import { memoryCluster } from "jobferry";

const [shop, cache] = [memoryCluster({ nodeId: "shop" }), memoryCluster({ nodeId: "cache" })];
await Promise.all([shop.start(), cache.start()]);

const hear = (message: { from: string; data: unknown }): void => console.log(message.from, message.data);
const subscription = await cache.subscribe("prices", hear);
await shop.broadcast("prices", { changed: 7 });
await new Promise((resolve) => setTimeout(resolve, 50));

await subscription.close();
await shop.broadcast("prices", { changed: 8 }); // kept for `keepMessages`, a minute by default
await cache.subscribe("prices", hear, {
  from: subscription.cursor,
  onGap: ({ after, upTo }) => console.log(`messages ${after} to ${upTo} are gone: read everything anew`),
});
// #endregion broadcast
await new Promise((resolve) => setTimeout(resolve, 50));
await Promise.all([shop.stop(), cache.stop()]);
