const UNITS: readonly (readonly [name: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
];

/** RFC 3339 in UTC, as in every JSON output. */
export function rfc3339(epochMs: number | undefined): string | null {
  return epochMs === undefined || !Number.isFinite(epochMs) ? null : new Date(epochMs).toISOString();
}

/** A length in its two largest units: "3m 20s". */
export function shortLength(ms: number): string {
  if (!Number.isFinite(ms)) return "-";
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`;
  let rest = Math.round(ms / 1_000) * 1_000;
  const parts: string[] = [];
  for (const [name, size] of UNITS) {
    if (rest >= size && parts.length < 2) parts.push(`${Math.floor(rest / size)}${name}`);
    else if (parts.length > 0) break;
    rest %= size;
  }
  return parts.join(" ");
}

/** "3m 20s ago", "in 5s", "-". */
export function relative(epochMs: number | undefined, now: number): string {
  if (epochMs === undefined) return "-";
  const ms = epochMs - now;
  return ms > 0 ? `in ${shortLength(ms)}` : `${shortLength(-ms)} ago`;
}
