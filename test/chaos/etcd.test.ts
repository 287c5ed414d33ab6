/** The short forms on etcd; `npm run chaos -- etcd 10m` is the long form. */
import { test } from "vitest";
import { isServerAvailable } from "../servers/shared-server.ts";
import { runLanes } from "./run-lanes.ts";

function onEtcd(): void {
  const survived = runLanes("etcd", [
    [
      ["droppedAnswers", 8],
      ["killedServer", 8],
    ],
  ]);
  test("answers dropped after the effect", () =>
    survived("droppedAnswers", { "store: answers dropped": 1, pushed: 50 }));
  test("SIGKILL and restart of the server", () => survived("killedServer", { "store: killed": 1, pushed: 50 }));
}

if (await isServerAvailable("etcd")) onEtcd();
