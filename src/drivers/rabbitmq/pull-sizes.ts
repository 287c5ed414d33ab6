/** How much larger a pull may be than the one before it that brought no job with losses. */
const GROWTH = 4;

/**
 * How many jobs one pull of a queue may take. Whatever a process holds when it dies counts as lost, also what nobody had begun, and nobody can tell before a pull
 * whether it brings jobs that were lost before. Without a limit a worker that dies soon after its start, again and again, takes jobs that never ran out of all
 * their lives: 21 of 820 in a run with a SIGKILL a second on a busy machine. So a pull is for free slots first, and larger only after one that brought no losses.
 */
export class PullSizes {
  readonly #most = new Map<string, number>();

  most(queue: string, free: number): number {
    return Math.max(0, free, this.#most.get(queue) ?? 0);
  }

  took(queue: string, count: number, broughtLosses: boolean): void {
    if (broughtLosses) this.#most.set(queue, 0);
    else this.#most.set(queue, Math.max(count * GROWTH, this.#most.get(queue) ?? 0));
  }
}
