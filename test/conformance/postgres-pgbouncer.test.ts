import { runOnPostgres } from "./postgres-target.ts";

await runOnPostgres("postgres-pgbouncer", { notify: false });
