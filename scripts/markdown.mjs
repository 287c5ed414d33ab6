import { readFileSync } from "node:fs";

const fence = /^(\s*)(`{3,}|~{3,})\s*(\S*)/;

/** The levels of the headings, and the code blocks with the numbers of their first and last line of code. */
export function readMarkdown(file) {
  const lines = readFileSync(file, "utf8").split("\n");
  const headings = [];
  const blocks = [];
  let open;
  for (const [index, line] of lines.entries()) {
    const mark = fence.exec(line);
    if (open) {
      if (!mark || mark[3] || !mark[2].startsWith(open.mark)) continue;
      blocks.push({
        language: open.language,
        first: open.first,
        end: index,
        code: lines.slice(open.first, index).join("\n"),
      });
      open = undefined;
    } else if (mark) {
      open = { mark: mark[2], language: mark[3], first: index + 1 };
    } else if (/^#{1,6}\s/.test(line)) {
      headings.push({ level: line.indexOf(" "), text: line, line: index + 1 });
    }
  }
  return { lines, headings, blocks };
}
