// Code blocks of the documentation are taken from files that run. A block names its file in one of two ways:
//   <!-- from examples/hello.ts#region -->   on the line before the block, or
//   // examples/hello.ts#region              as the first line of the block.
// Without #region the whole file is meant. `--write` fills the blocks in; without it differences are errors.
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { readMarkdown } from "./markdown.mjs";

const path = String.raw`((?:examples|demo|test|bench|scripts)/[\w./-]+?)(?:#([\w-]+))?`;
const commentBefore = new RegExp(`^\\s*<!-- from ${path} -->\\s*$`);
const firstLine = new RegExp(`^\\s*(?://|#) ${path}\\s*$`);
const marker = /^\s*(?:\/\/|#)\s*#(?:end)?region\b/;

const write = process.argv.includes("--write");
const documents = [...globSync("README*.md"), ...globSync("docs/**/*.md")];
for (const document of documents) sync(document);

function sync(document) {
  const { lines, blocks } = readMarkdown(document);
  let changed = false;
  // From the last block to the first, so that the line numbers of those before stay right.
  for (const { first, end, code } of blocks.toReversed()) {
    const named = nameOf(lines, first);
    if (!named) continue;
    const source = codeOf(named, `${document}:${first}`);
    if (!source) continue;
    const wanted = [...named.kept, ...source];
    if (wanted.join("\n") === code) continue;
    if (write) lines.splice(first, end - first, ...wanted);
    else report(`${document}:${first} differs from ${named.file}: run node scripts/docs-blocks.mjs --write`);
    changed = true;
  }
  if (write && changed) writeFileSync(document, lines.join("\n"));
}

function nameOf(lines, first) {
  const above = lines.slice(0, first - 1).findLast((line) => line.trim() !== "");
  const before = commentBefore.exec(above ?? "");
  if (before) return { file: before[1], region: before[2], kept: [] };
  const inside = firstLine.exec(lines[first] ?? "");
  return inside ? { file: inside[1], region: inside[2], kept: [lines[first]] } : undefined;
}

function codeOf({ file, region }, place) {
  if (!existsSync(file)) return report(`${place} names ${file}, which does not exist`);
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  const from = region ? lines.findIndex((line) => new RegExp(`#region ${region}\\s*$`).test(line)) + 1 : 0;
  const to = region ? endOfRegion(lines, from) : lines.length;
  if (region && (from === 0 || to === -1)) return report(`${place} names #${region}, which ${file} does not have`);
  return dedent(lines.slice(from, to).filter((line) => !marker.test(line)));
}

function endOfRegion(lines, from) {
  let depth = 1;
  return lines.findIndex((line, index) => {
    if (index < from || !marker.test(line)) return false;
    depth += line.includes("#endregion") ? -1 : 1;
    return depth === 0;
  });
}

function dedent(lines) {
  const indents = lines.filter((line) => line.trim() !== "").map((line) => line.search(/\S/));
  const indent = Math.min(...indents, 80);
  return lines.map((line) => line.slice(indent));
}

function report(message) {
  console.log(message);
  process.exitCode = 1;
}
