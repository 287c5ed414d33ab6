/** The short forms on PostgreSQL; `npm run chaos -- postgres 10m` is the long form. */
import { isServerAvailable } from "../servers/shared-server.ts";
import { onProcesses, onServer } from "./server-cases.ts";

if (await isServerAvailable("postgres")) {
  onServer("postgres");
  onProcesses("postgres");
}
