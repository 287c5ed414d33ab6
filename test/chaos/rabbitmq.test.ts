/** The short forms on RabbitMQ, with failed jobs in a SQLite file; `npm run chaos -- rabbitmq 10m` is the long form. */
import { isServerAvailable } from "../servers/shared-server.ts";
import { onProcesses, onServer } from "./server-cases.ts";

if (await isServerAvailable("rabbitmq")) {
  onServer("rabbitmq");
  onProcesses("rabbitmq");
}
