// Usage: npm run servers -- list | up [--json] NAME… | install [NAME…]
import { parseArgs } from "node:util";
import { closeGuardian } from "./guarded.ts";
import { isServerName, serverKinds } from "./registry.ts";
import type { ServerName } from "./registry.ts";
import type { RunningServer, ServerAddress } from "./server.ts";
import { findServer, startServer } from "./start-server.ts";

const USAGE = `Usage: npm run servers -- up [--json] NAME…    starts throw-away servers, prints their addresses, ends them with Ctrl-C
       npm run servers -- install [NAME…]      gets what is missing
       npm run servers -- list                 names the servers
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false }, help: { type: "boolean", short: "h", default: false } },
});
const [command, ...words] = positionals;
const unknown = words.find((word) => !isServerName(word));
const names = words.filter(isServerName);

if (values.help) process.stdout.write(USAGE);
else if (unknown !== undefined) fail(`There is no server ${unknown}. There are: ${allNames().join(", ")}`);
else if (command === "list") for (const name of allNames()) print(name);
else if (command === "install") await install(names.length === 0 ? allNames() : names);
else if (command === "up" && names.length > 0) await up(names);
else fail(USAGE.trimEnd());

function allNames(): readonly ServerName[] {
  return Object.keys(serverKinds).filter(isServerName);
}

async function install(wanted: readonly ServerName[]): Promise<void> {
  await Promise.all(
    wanted.map(async (name) => {
      try {
        const found = await findServer(name);
        print(`${name}: ${found === "docker" ? "in Docker" : "there"}`);
      } catch (error) {
        fail(`${name}: ${messageOf(error)}`);
      }
    }),
  );
}

async function up(wanted: readonly ServerName[]): Promise<void> {
  const stopped = stopSignal();
  const starts = wanted.map((name) => startServer(name));
  const first = await Promise.race([stopped, Promise.allSettled(starts)]);
  if (Array.isArray(first)) {
    const servers = first.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
    for (const start of first) if (start.status === "rejected") fail(messageOf(start.reason));
    if (values.json) print(JSON.stringify(servers.map(addressOf)));
    else for (const server of servers) printAddress(server);
    if (servers.length === first.length) await stopped;
    await Promise.all(servers.map((server) => server.stop()));
  }
  await closeGuardian();
  process.exit();
}

/** Ctrl-C, and the end of npm: killed, npm does not take along what it runs. The script says `exec` so that npm is the parent. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve());
    const parent = process.ppid;
    const isUnderNpm = process.env["npm_lifecycle_event"] !== undefined;
    setInterval(() => {
      if (isUnderNpm && process.ppid !== parent) resolve();
    }, 500);
  });
}

function addressOf({ kind, version, url, host, port, endpoints, innerPorts = {}, ca }: RunningServer): ServerAddress {
  return { kind, version, url, host, port, endpoints, innerPorts, ...(ca === undefined ? {} : { ca }) };
}

function printAddress({ kind, version, url, endpoints }: RunningServer): void {
  print(`${`${kind} ${version}`.padEnd(24)} ${url}`);
  for (const [name, address] of Object.entries(endpoints)) print(`  ${name.padEnd(22)} ${address}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
