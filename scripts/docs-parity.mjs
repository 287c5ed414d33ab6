// Each guide and its Chinese counterpart have the same headings and the same code.
import { existsSync, globSync } from "node:fs";
import { readMarkdown } from "./markdown.mjs";

const guides = globSync("docs/**/*.md").filter((file) => !/^docs\/(adr|zh)\//.test(file));
const pairs = ["README.md", ...guides].map((english) => ({ english, chinese: chineseOf(english) }));
const expected = new Set(pairs.map(({ chinese }) => chinese));

for (const { english, chinese } of pairs) {
  if (!existsSync(english)) continue;
  if (existsSync(chinese)) compare(english, chinese);
  else if (mustBeTranslated(english)) report(`${chinese} is missing (for ${english})`);
}
for (const chinese of globSync("docs/zh/**/*.md")) {
  if (!expected.has(chinese)) report(`${chinese} has no English counterpart`);
}

function chineseOf(english) {
  return english === "README.md" ? "README.zh-CN.md" : english.replace(/^docs\//, "docs/zh/");
}

function mustBeTranslated(english) {
  return english === "README.md" || english.startsWith("docs/guides/");
}

function compare(english, chinese) {
  const [ours, theirs] = [readMarkdown(english), readMarkdown(chinese)];
  comparePlaces("headings", ours.headings, theirs.headings, (heading) => heading.level);
  comparePlaces("code blocks", ours.blocks, theirs.blocks, (block) => `${block.language}\n${block.code}`);

  function comparePlaces(what, left, right, key) {
    const index = left.findIndex((item, place) => !right[place] || key(item) !== key(right[place]));
    if (index === -1 && left.length === right.length) return;
    const place = index === -1 ? left.length : index;
    const at = (file, item) => `${file}:${item ? (item.line ?? item.first) : "end"}`;
    report(
      `${what} differ: ${at(english, left[place])} and ${at(chinese, right[place])} (${left.length} and ${right.length})`,
    );
  }
}

function report(message) {
  console.log(message);
  process.exitCode = 1;
}
