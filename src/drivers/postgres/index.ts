export type {
  KyselyTransaction,
  PgTransaction,
  PostgresClient,
  PostgresJsTransaction,
  PostgresPool,
  PostgresTransaction,
} from "./client.ts";
export { postgresCoordinationStore } from "./coordination-store.ts";
export { postgresDriver } from "./driver.ts";
export { migratePostgres } from "./migrate-store.ts";
export { capabilitiesOf } from "./capabilities.ts";
export { POSTGRES_OPTIONS } from "./options.ts";
export type { PostgresDriverOptions } from "./options.ts";
