import { fork } from "node:child_process";
import { systemClock } from "../../runtime/index.ts";
import { type Channel, type ChannelListener, CHILD_MAIN, notesIn } from "./channel.ts";
import type { ToChild } from "./messages.ts";

/** How long after the exit to wait for the end of what the process sent before. */
const LAST_WORDS_MS = 1_000;

/** Its output goes where the parent's goes; the parent's input stays the parent's. */
export function openProcess(execArgv: readonly string[] | undefined, listener: ChannelListener): Channel {
  const child = fork(CHILD_MAIN, [], {
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }),
  });
  let how: string | undefined;
  let told = false;
  const tell = (): void => {
    if (told || how === undefined) return;
    told = true;
    listener.ended(how);
  };
  const exited = (reason: string): void => {
    how ??= reason;
    // What the process sent before it died may still lie in the pipe: "disconnect" comes behind it.
    if (!child.connected) return tell();
    systemClock.timer(LAST_WORDS_MS, tell, { keepAlive: false });
  };
  child.on("message", (message) => listener.received(notesIn(message)));
  child.on("exit", (code, signal) => exited(signal === null ? `exit code ${code}` : `signal ${signal}`));
  child.on("disconnect", () => {
    child.kill("SIGKILL"); // a child without a channel is of no use
    tell();
  });
  child.on("error", (error) => {
    if (child.pid === undefined) exited(`it could not start: ${error.message}`);
  });
  return {
    name: `process ${child.pid ?? "that did not start"}`,
    send: (notes: readonly ToChild[]): void => {
      if (child.connected) child.send([...notes], () => undefined); // when it fails, "exit" or "disconnect" tells
    },
    kill: (): void => {
      child.kill("SIGKILL");
    },
  };
}
