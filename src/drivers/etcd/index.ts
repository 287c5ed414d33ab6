export { etcdCoordinationStore } from "./coordination-store.ts";
export { ETCD_OPTIONS } from "./options.ts";
export type { EtcdStoreOptions } from "./options.ts";
