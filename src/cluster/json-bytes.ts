/** What a cluster keeps in its store is JSON. */
export const bytesOfJson = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** undefined for bytes that are no JSON object: somebody else wrote them, and they are nobody's node or message. */
export function objectOf(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
