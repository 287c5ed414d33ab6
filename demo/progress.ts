import { SingleBar } from "cli-progress";
import type { Tally } from "./tally.ts";

const BAR_EVERY_MS = 100;
const LINE_EVERY_MS = 2_000;

/** A bar on a terminal, a line every two seconds elsewhere. */
export function startProgress(tally: Tally): Readonly<{ end: () => void }> {
  return process.stdout.isTTY ? bar(tally) : lines(tally);
}

function bar(tally: Tally): Readonly<{ end: () => void }> {
  const shown = new SingleBar({
    format: "{bar} {percentage}% | {value}/{total} jobs | {megabytes} MB | {failed} failed",
    barCompleteChar: "\u2588",
    barIncompleteChar: "\u2591",
    hideCursor: true,
    stream: process.stdout,
  });
  const numbers = () => ({ megabytes: megabytes(tally), failed: tally.failed });
  shown.start(tally.total, 0, numbers());
  const timer = setInterval(() => shown.update(tally.ended, numbers()), BAR_EVERY_MS);
  const end = (): void => {
    clearInterval(timer);
    shown.update(tally.ended, numbers());
    shown.stop();
  };
  return { end };
}

function lines(tally: Tally): Readonly<{ end: () => void }> {
  const timer = setInterval(() => {
    const percent = Math.floor((100 * tally.ended) / tally.total);
    console.log(`${percent}% | ${tally.ended}/${tally.total} jobs | ${megabytes(tally)} MB | ${tally.failed} failed`);
  }, LINE_EVERY_MS);
  return { end: () => clearInterval(timer) };
}

function megabytes(tally: Tally): number {
  return Math.round(tally.bytes / 1_000_000);
}
