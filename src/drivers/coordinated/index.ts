export { coordinatedDriver } from "./driver.ts";
export { COORDINATED_OPTIONS } from "./options.ts";
export type { CoordinatedDriverOptions, CoordinatedOptions } from "./options.ts";
