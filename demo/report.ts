import Table from "cli-table3";
import type { Outcomes } from "./outcomes.ts";
import type { Work } from "./processing.ts";
import type { Verified } from "./verify.ts";

type Report = Readonly<{ files: number; work: Work; outcomes: Outcomes; verified: Verified }>;

const MAX_SHOWN = 10;

export function printReport({ files, work, outcomes, verified }: Report): void {
  const { completed, failed } = outcomes.counts;
  const lost = files - completed - failed;
  const rate = Math.round(files / (work.ms / 1000));
  const table = new Table({
    head: ["files", "completed", "redelivered", "failed", "lost", "jobs/s"],
    colAligns: Array.from({ length: 6 }, () => "right" as const),
    style: { head: [], border: [] },
  });
  table.push([files, completed, outcomes.redelivered, failed, lost, rate]);
  console.log(table.toString());
  const megabytes = Math.round(work.bytes / 1_000_000);
  console.log(`${megabytes} MB hashed and compressed in ${seconds(work.ms)} by two processes.`);
  if (work.killed === undefined) console.log("No process was killed: there were too few files.");
  printVerified(verified);
}

function printVerified({ ms, hashes, unreadable, changed, differences }: Verified): void {
  console.log(
    `Checked in ${seconds(ms)} against a plain walk: ${hashes} hashes are right, ${unreadable} unreadable files failed.`,
  );
  if (changed > 0) console.log(`${changed} files were changed by somebody else meanwhile and are not compared.`);
  for (const difference of differences.slice(0, MAX_SHOWN)) console.log(`DIFFERENT: ${difference}`);
  if (differences.length > MAX_SHOWN) console.log(`and ${differences.length - MAX_SHOWN} more`);
  console.log(differences.length === 0 ? "Everything agrees." : `${differences.length} differences.`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
