export function jobCount(count: number): string {
  return `${Number.isNaN(count) ? "?" : count} ${count === 1 ? "job" : "jobs"}`;
}
