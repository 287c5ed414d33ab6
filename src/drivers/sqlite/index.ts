export { sqliteCoordinationStore } from "./coordination-store.ts";
export type { SqliteDatabase, SqliteStatement, SqliteValue } from "./database.ts";
export { sqliteDriver } from "./driver.ts";
export type { SqliteDriverOptions } from "./options.ts";
