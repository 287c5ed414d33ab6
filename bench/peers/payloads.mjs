const pad = "x".repeat(100);

/** The payload of every case: a number that proves which jobs ran, and 100 characters. */
export function makePayload(i) {
  return { i, pad };
}

export function makePayloads(count) {
  return Array.from({ length: count }, (_, i) => makePayload(i));
}
