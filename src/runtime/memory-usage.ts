/** Bytes of this process's resident set. */
export function residentMemory(): number {
  return process.memoryUsage.rss();
}
