/** Resolves in the next turn of the event loop, after timers and I/O had theirs. Promises alone never let them in. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
