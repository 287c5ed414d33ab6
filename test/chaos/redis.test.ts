/** The short forms on Redis, with its append-only file on; `npm run chaos -- redis 10m` is the long form. */
import { isServerAvailable } from "../servers/shared-server.ts";
import { onProcesses, onServer } from "./server-cases.ts";

if (await isServerAvailable("redis")) {
  onServer("redis");
  onProcesses("redis");
}
