import { lstatSync } from "node:fs";
import { MAX_ATTEMPTS } from "./digest-job.ts";
import type { Outcomes } from "./outcomes.ts";
import { plainDigest, plainFiles, type Plain } from "./plain-walk.ts";
import type { Work } from "./processing.ts";
import type { FoundFile } from "./walk.ts";

export type Verified = Readonly<{
  ms: number;
  hashes: number;
  unreadable: number;
  changed: number;
  differences: readonly string[];
}>;

type Claim = Readonly<{ root: string; pushed: readonly FoundFile[]; leftOut: number; outcomes: Outcomes; work: Work }>;

/** Compares what the queue says with what a plain walk finds. A file that somebody changed meanwhile proves nothing and is counted apart. */
export async function verify(claim: Claim): Promise<Verified> {
  const start = performance.now();
  const differences = [...countDifferences(claim)];
  let [hashes, unreadable, changed] = [0, 0, 0];
  for (const file of claim.pushed) {
    const plain = plainDigest(file.path);
    const difference = differenceOf(file.path, plain, claim.outcomes);
    if (difference === undefined && plain === undefined) unreadable += 1;
    else if (difference === undefined) hashes += 1;
    else if (hasChanged(file)) changed += 1;
    else differences.push(difference);
  }
  const { missed, appeared } = missedFiles(claim);
  return {
    ms: performance.now() - start,
    hashes,
    unreadable,
    changed: changed + appeared,
    differences: [...differences, ...missed],
  };
}

/** A readable file must be completed with its own hash and size, an unreadable one failed after all its attempts. */
function differenceOf(path: string, plain: Plain | undefined, { completed, failed }: Outcomes): string | undefined {
  const digest = completed.get(path);
  const attempts = failed.get(path);
  if (digest !== undefined && attempts !== undefined) return `${path} is both completed and failed`;
  if (digest === undefined && attempts === undefined) return `${path} is neither completed nor failed`;
  if (plain === undefined) {
    if (digest !== undefined) return `${path} cannot be read, but was completed`;
    return attempts === MAX_ATTEMPTS
      ? undefined
      : `${path} failed after ${attempts} attempts instead of ${MAX_ATTEMPTS}`;
  }
  if (digest === undefined) return `${path} can be read, but its job failed`;
  if (digest.bytes !== plain.bytes) return `${path} has ${plain.bytes} bytes, but the job saw ${digest.bytes}`;
  if (digest.sha256 !== plain.sha256) return `${path} has SHA-256 ${plain.sha256}, but the job says ${digest.sha256}`;
  return digest.compressed > 0 ? undefined : `${path} was not compressed`;
}

function* countDifferences({ pushed, outcomes, work }: Claim): Generator<string> {
  const { counts, completed, failed } = outcomes;
  const ended = counts.completed + counts.failed;
  if (ended !== pushed.length) yield `${pushed.length} jobs were pushed, but ${ended} have ended`;
  if (counts.left !== 0) yield `${counts.left} jobs are still pending, delayed or reserved`;
  if (counts.completed !== completed.size) yield `${counts.completed} completed, but ${completed.size} results`;
  if (counts.failed !== failed.size) yield `${counts.failed} failed, but ${failed.size} records of failed jobs`;
  for (const id of work.twice) yield `job ${id} ended twice`;
}

/** Files that the plain walk finds and that have no job: as many as were left out, and those that appeared meanwhile. */
function missedFiles({ root, pushed, leftOut }: Claim): Readonly<{ missed: readonly string[]; appeared: number }> {
  const known = new Set(pushed.map((file) => file.path));
  const without = [...plainFiles(root)].filter((path) => !known.has(path));
  if (without.length <= leftOut) return { missed: [], appeared: 0 };
  const old = without.filter((path) => !isNew(path));
  const missed = old.length > leftOut ? [`${old.length - leftOut} files have no job, for example ${old[0]}`] : [];
  return { missed, appeared: without.length - leftOut - (missed.length > 0 ? old.length - leftOut : 0) };
}

function isNew(path: string): boolean {
  try {
    return lstatSync(path).ctimeMs > performance.timeOrigin;
  } catch {
    return true;
  }
}

function hasChanged({ path, size, mtimeMs }: FoundFile): boolean {
  try {
    const now = lstatSync(path);
    return now.size !== size || now.mtimeMs !== mtimeMs;
  } catch {
    return true;
  }
}
