/** Milliseconds of the processor that this thread has used: other programs on the machine do not show. */
export function threadTime(): number {
  // Older Node.js only tells of the whole process.
  const thread: Readonly<{ threadCpuUsage?: () => NodeJS.CpuUsage }> = process;
  const { user, system } = thread.threadCpuUsage?.() ?? process.cpuUsage();
  return (user + system) / 1_000;
}
