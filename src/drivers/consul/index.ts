export type { ConsulTls } from "./client/http-line.ts";
export { consulCoordinationStore } from "./coordination-store.ts";
export type { ConsulDriverOptions } from "./options.ts";
