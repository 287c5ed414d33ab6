// Starts the named servers, tells its guardian, and waits to be killed.
import { guardian } from "../../scripts/servers/guarded.ts";
import { isServerName } from "../../scripts/servers/registry.ts";
import { startServer } from "../../scripts/servers/start-server.ts";

await Promise.all(
  process.argv
    .slice(2)
    .filter(isServerName)
    .map((name) => startServer(name)),
);
process.stdout.write(`${(await guardian()).pid}\n`);
setInterval(() => {}, 60_000);
