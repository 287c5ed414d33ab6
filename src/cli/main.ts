#!/usr/bin/env node
import { isOlderNode, LEAST_NODE, tooOldText } from "../entry/node-version.ts";

// node:sqlite still warns on Node 22, which would be the first line of every output.
process.removeAllListeners("warning");
process.on("warning", (warning) => {
  if (warning.name !== "ExperimentalWarning") process.stderr.write(`${warning.name}: ${warning.message}\n`);
});

// A reader that has seen enough (`jobferry jobs | head`) is no error; without anybody who reads the log a worker goes on.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});
process.stderr.on("error", () => undefined);

/** What a stuck handler still holds (a socket, a timer) must not keep the process. */
const LINGER_MS = 500;

if (isOlderNode(process.version, LEAST_NODE)) {
  process.stderr.write(`error: ${tooOldText()}\n`);
  process.exit(1);
}
// Only now: an old Node.js cannot load these modules, and its error names node:sqlite instead of the version.
const { runCli } = await import("./program.ts");
process.exitCode = await runCli(process.argv.slice(2), process);
setTimeout(() => process.exit(), LINGER_MS).unref();
