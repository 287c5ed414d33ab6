/** From one moment to another. */
export type Span = Readonly<{ from: number; until: number }>;

/** How much of a time these take, which do not overlap. */
export function timeIn(spans: readonly Span[], from: number, until: number): number {
  return spans.reduce((sum, one) => sum + Math.max(0, Math.min(until, one.until) - Math.max(from, one.from)), 0);
}

/** The same times, each only once. */
export function merged(spans: readonly Span[]): readonly Span[] {
  const whole: { from: number; until: number }[] = [];
  for (const { from, until } of spans.toSorted((a, b) => a.from - b.from)) {
    const last = whole.at(-1);
    if (last === undefined || from > last.until) whole.push({ from, until });
    else last.until = Math.max(last.until, until);
  }
  return whole;
}
