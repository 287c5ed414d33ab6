/** A job's value, read as the Layout sections of docs/backends/{etcd,consul,zookeeper}.md describe it, without the library. */
export function readJob(value: Buffer): Readonly<{ head: Readonly<Record<string, unknown>>; payload: unknown }> {
  const parts: Buffer[] = [];
  let at = 0;
  for (let part = 0; part < 3; part += 1) {
    const end = at + 4 + value.readUInt32BE(at);
    parts.push(value.subarray(at + 4, end));
    at = end;
  }
  const [head, , payload] = parts.map(String);
  return { head: JSON.parse(head ?? "") as Readonly<Record<string, unknown>>, payload: JSON.parse(payload ?? "") };
}

export const JOB = { queue: "mails", name: "welcome", id: "job-1", priority: 7 } as const;
export const PAYLOAD = { to: "ann@example.org", text: "grüß dich" } as const;

/** Beside what is in it always: since when it waits, what it has been through. */
export const HEAD = { ...JOB, attempts: 0, losses: 0, exceptions: 0 } as const;
