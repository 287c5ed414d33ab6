// The conformance suite asks a driver for its capabilities, never for its name.
import { existsSync, globSync, readFileSync } from "node:fs";

const root = process.argv[2] ?? "src/testing/conformance";
const backends = "memory|sqlite|postgres|mysql|redis|etcd|consul|zookeeper|rabbitmq|kafka|rocketmq|activemq";
const forbidden = [
  { what: "the name of a driver", pattern: new RegExp(`(["'\`])(${backends})\\1`) },
  { what: "a comparison of a driver's name", pattern: /\b\w*(driver|backend)\w*\??\.name\s*[!=]=/i },
  { what: "a comparison of a driver's name", pattern: /[!=]==?\s*[\w.]*(driver|backend)\w*\??\.name\b/i },
  { what: "a switch over a driver's name", pattern: /\bswitch\s*\([^)]*(driver|backend)\w*\??\.name\b/i },
];

const files = existsSync(root) ? globSync("**/*.ts", { cwd: root }) : [];
for (const file of files) {
  const lines = readFileSync(`${root}/${file}`, "utf8").split("\n");
  for (const [index, line] of lines.entries()) {
    const found = forbidden.find(({ pattern }) => pattern.test(line));
    if (!found) continue;
    console.log(`${root}/${file}:${index + 1} has ${found.what}: ${line.trim()}`);
    process.exitCode = 1;
  }
}
