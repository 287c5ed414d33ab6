export { zookeeperCoordinationStore } from "./coordination-store.ts";
export { ZOOKEEPER_OPTIONS } from "./options.ts";
export type { ZookeeperOptions, ZookeeperTls } from "./options.ts";
