import { statSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";

/** Servers that the demo starts for itself. */
export type OwnServer = "redis" | "postgres" | "rabbitmq";

export type DemoOptions = Readonly<{
  path: string;
  maxFiles: number;
  maxMegabytes: number;
  handler: URL;
  /** Neither: a SQLite file of the demo's own. */
  url: string | undefined;
  server: OwnServer | undefined;
}>;

type Parsed = Readonly<{ maxFiles: number; maxMegabytes: number; handler: string; url?: string; server?: OwnServer }>;

const ownModules = fileURLToPath(new URL("../node_modules", import.meta.url));
const ownHandler = fileURLToPath(new URL("./handler.ts", import.meta.url));

export function readOptions(argv: readonly string[]): DemoOptions {
  const command = new Command("npm run demo --")
    .description(
      "A job for every file of a folder: hashed and compressed by two processes, one of which is killed half-way.",
    )
    .argument("[path]", "the folder", ownModules)
    .option("--max-files <number>", "take at most so many files", wholeNumber, 20_000)
    .option("--max-megabytes <number>", "take files of at most so many megabytes together", wholeNumber, 1_000)
    .option("--handler <file>", "the module that the processes run", ownHandler)
    .option("--url <url>", "a queue of yours: sqlite:…, redis://…, postgres://…, amqp://… (default: a new SQLite file)")
    .addOption(
      new Option("--server <name>", "start a throw-away server for it")
        .choices(["redis", "postgres", "rabbitmq"])
        .conflicts("url"),
    )
    .parse(argv);
  const { maxFiles, maxMegabytes, handler, url, server } = command.opts<Parsed>();
  const [path = ownModules] = command.processedArgs as readonly string[];
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) command.error(`error: ${path} is no folder`);
  return { path: resolve(path), maxFiles, maxMegabytes, handler: pathToFileURL(resolve(handler)), url, server };
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError("It must be a whole number from 1.");
  return Number(text);
}
