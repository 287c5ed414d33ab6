import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { locate, program } from "../../scripts/servers/locate.ts";
import type { ServerAddress } from "../../scripts/servers/server.ts";
import { zookeeperNeeds } from "../../scripts/servers/zookeeper.ts";

const run = promisify(execFile);
const HEAP = ["-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
const QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error";

/** ZooKeeper's own command line, as a reader that shares no code with us. @returns what it printed. */
export async function zkCli({ host, port }: ServerAddress, words: readonly string[]): Promise<string> {
  const located = await locate("zookeeper", zookeeperNeeds);
  const main = ["-cp", program(located, "classpath"), "org.apache.zookeeper.ZooKeeperMain"];
  const args = [...HEAP, QUIET, ...main, "-server", `${host}:${port}`, ...words];
  const { stdout, stderr } = await run(program(located, "java"), args, { timeout: 60_000 });
  return `${stdout}${stderr}`;
}
