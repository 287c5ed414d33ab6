export { coordinatedDriver } from "./driver.ts";
export type { CoordinatedDriverOptions, CoordinatedOptions } from "./options.ts";
