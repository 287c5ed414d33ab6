/**
 * Starts a stopwatch of the processor's time that this thread uses: other programs on the machine do not show. Older Node.js only tells of the whole
 * process, whose other threads work too: there it is what has passed, when that is less.
 */
export function startThreadTime(): () => number {
  const thread: Readonly<{ threadCpuUsage?: () => NodeJS.CpuUsage }> = process;
  const used = (): number => {
    const { user, system } = thread.threadCpuUsage?.() ?? process.cpuUsage();
    return (user + system) / 1_000;
  };
  const [from, began] = [used(), performance.now()];
  return () => Math.min(used() - from, performance.now() - began);
}
