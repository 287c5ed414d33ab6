import { statSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Command, InvalidArgumentError } from "commander";

export type DemoOptions = Readonly<{ path: string; maxFiles: number; maxMegabytes: number; handler: URL }>;

type Parsed = Readonly<{ maxFiles: number; maxMegabytes: number; handler: string }>;

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
    .parse(argv);
  const { maxFiles, maxMegabytes, handler } = command.opts<Parsed>();
  const [path = ownModules] = command.processedArgs as readonly string[];
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) command.error(`error: ${path} is no folder`);
  return { path: resolve(path), maxFiles, maxMegabytes, handler: pathToFileURL(resolve(handler)) };
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError("It must be a whole number from 1.");
  return Number(text);
}
