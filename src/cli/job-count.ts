export function jobCount(count: number | undefined): string {
  return `${count ?? "?"} ${count === 1 ? "job" : "jobs"}`;
}
