// Starts the named servers, tells its guardian, and waits to be killed.
import { tmpdir } from "node:os";
import { join } from "node:path";
import { guardian } from "../../scripts/servers/guarded.ts";
import { isServerName } from "../../scripts/servers/registry.ts";
import { startServer } from "../../scripts/servers/start-server.ts";

await Promise.all(
  process.argv
    .slice(2)
    .filter(isServerName)
    .map((name) => startServer(name)),
);
const { pid } = await guardian();
(await guardian()).atEnd("touch", [join(tmpdir(), "ended")]);
process.stdout.write(`${pid}\n`);
setInterval(() => {}, 60_000);
