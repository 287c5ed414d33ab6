/** Calls `callback` in the next turn of the event loop, when input, output and due timers have had theirs. It measures no time. */
export function nextTurn(callback: () => void): void {
  setImmediate(callback);
}

/** Calls `callback` when everything that goes on at once because of promises has gone on, before input, output and timers. It measures no time. */
export function afterMicrotasks(callback: () => void): void {
  process.nextTick(callback);
}
