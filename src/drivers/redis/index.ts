export { redisCapabilities } from "./capabilities.ts";
export type { IoredisClient, NodeRedisClient, RedisClient } from "./clients/client-types.ts";
export { redisCoordinationStore } from "./coordination-store.ts";
export { redisDriver } from "./driver.ts";
export type { RedisDriverOptions } from "./options.ts";
