/**
 * The short forms on RabbitMQ 3.10 and 4.0, with failed jobs in a SQLite file; `npm run chaos -- rabbitmq 10m` is the long form. A server takes seconds to
 * start, so each lane has one. What only kills processes, or comes before any server sees it, runs on one version.
 */
import { isServerAvailable } from "../servers/shared-server.ts";
import { SERVER_OPTIONS } from "./rabbitmq-store.ts";
import { type Run, runLanes } from "./run-lanes.ts";
import { onLanes } from "./server-cases.ts";
import { chaosServer } from "./server-store.ts";

const LANES: Readonly<Record<"rabbitmq" | "rabbitmq-4", readonly (readonly Run[])[]>> = {
  rabbitmq: [
    [
      ["killedWorkers", 10],
      ["cutConnections", 6],
      ["halfOpenConnections", 9],
      ["poison", 5],
    ],
    [
      ["killedServer", 9],
      ["droppedAnswers", 7],
      ["clockSteps", 7],
    ],
  ],
  "rabbitmq-4": [
    [
      ["killedServer", 9],
      ["droppedAnswers", 7],
      ["frozenWorkers", 8],
    ],
    [
      ["frozenServer", 8],
      ["slowConnections", 6],
      ["killedWorkers", 10],
      ["killedProducers", 9],
    ],
  ],
};

/** What a worker held when it was stopped went to others, and its late ends were refused. */
const HAPPENED = { frozenWorkers: { stops: 2, "leases that ran out": 1, "refused as stale": 1, completed: 50 } };

for (const name of ["rabbitmq", "rabbitmq-4"] as const) {
  if (!(await isServerAvailable(name))) continue;
  onLanes(name, LANES[name], () => runLanes(name, LANES[name], () => chaosServer(name, SERVER_OPTIONS)), HAPPENED);
}
