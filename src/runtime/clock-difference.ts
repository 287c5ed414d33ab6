const TRIES = 10;

/**
 * How far `other` is ahead of `own`, in their unit. The two cannot be read at once, and a process that is not run between the two reads would be off by that time
 * for as long as it lives; so `own` is read between two reads of `other`, and of several tries the one counts in which these are closest (as in Cristian's algorithm).
 */
export function clockDifference(other: () => number, own: () => number): number {
  let [least, difference] = [Infinity, 0];
  for (let i = 0; i < TRIES; i += 1) {
    const before = other();
    const between = own();
    const after = other();
    if (after - before >= least) continue;
    least = after - before;
    difference = (before + after) / 2 - between;
  }
  return difference;
}
