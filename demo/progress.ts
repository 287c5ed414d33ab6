import { MultiBar } from "cli-progress";
import type { Tally } from "./tally.ts";

const BAR_EVERY_MS = 100;
const LINE_EVERY_MS = 2_000;

/** `note` prints a line that stays. */
export type Progress = Readonly<{ note: (text: string) => void; end: () => void }>;

/** A bar on a terminal, a line every two seconds elsewhere. */
export function startProgress(tally: Tally): Progress {
  return process.stdout.isTTY ? bar(tally) : lines(tally);
}

function bar(tally: Tally): Progress {
  const bars = new MultiBar({
    format: "{bar} {percentage}% | {value}/{total} jobs | {megabytes} MB | {failed} failed",
    barCompleteChar: "\u2588",
    barIncompleteChar: "\u2591",
    hideCursor: true,
    stream: process.stdout,
    gracefulExit: false, // main.ts ends the work at a signal
  });
  const numbers = () => ({ megabytes: megabytes(tally), failed: tally.failed });
  const shown = bars.create(tally.total, 0, numbers());
  const update = (): void => shown.update(tally.ended, numbers());
  const timer = setInterval(update, BAR_EVERY_MS);
  const end = (): void => {
    clearInterval(timer);
    update();
    bars.stop();
  };
  return { note: (text) => bars.log(`${text}\n`), end };
}

function lines(tally: Tally): Progress {
  const timer = setInterval(() => {
    const percent = Math.floor((100 * tally.ended) / tally.total);
    console.log(`${percent}% | ${tally.ended}/${tally.total} jobs | ${megabytes(tally)} MB | ${tally.failed} failed`);
  }, LINE_EVERY_MS);
  return { note: (text) => console.log(text), end: () => clearInterval(timer) };
}

function megabytes(tally: Tally): number {
  return Math.round(tally.bytes / 1_000_000);
}
