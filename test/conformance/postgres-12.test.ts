import { runOnPostgres } from "./postgres-target.ts";

await runOnPostgres("postgres-12");
