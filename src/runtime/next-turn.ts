/** Calls `callback` in the next turn of the event loop, when input, output and due timers have had theirs. It measures no time. */
export function nextTurn(callback: () => void): void {
  setImmediate(callback);
}
