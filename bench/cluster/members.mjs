import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const FILE = fileURLToPath(new URL("./member.mjs", import.meta.url));

/** Starts one and resolves when it is ready; `heard` gets its messages. */
export async function startMember(role, url, nodeId, args = [], heard = () => undefined) {
  const execArgv = ["--disable-warning=ExperimentalWarning"];
  const child = fork(FILE, [role, url, nodeId, ...args.map(String)], {
    execArgv,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const ready = new Promise((resolve, reject) => {
    child.on("message", (message) => (message.kind === "ready" ? resolve() : heard(message)));
    child.once("exit", (code, signal) => reject(new Error(`${nodeId} ended: ${signal ?? code}`)));
  });
  await ready;
  return child;
}

export async function end(child, how = "stop") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  if (how === "stop") child.send("stop");
  else child.kill("SIGKILL");
  await gone;
}
