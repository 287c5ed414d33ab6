import pg from "pg";

let made = 0;

export const url = () => process.env.JOBFERRY_BENCH_URL;

/**
 * A peer on PostgreSQL: each opening gets a schema of its own, and at its end nothing is left of it. `prepare` makes what the peer does not make
 * itself; `attach`: to a schema that is there, in this process or another; `prefetch`: jobs fetched ahead of the slots.
 */
export function peerInSchema({ name, prefetch, prepare = async () => undefined, attach }) {
  const open = async () => {
    const schema = `bench_${process.pid}_${(made += 1)}`;
    await prepare(schema);
    const parts = await attach({ schema });
    return {
      ...parts,
      connection: { schema },
      async close() {
        await parts.close();
        await execute(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
      },
    };
  };
  return { name, prefetch, open, attach };
}

/** On a connection that is closed again. */
export async function execute(...statements) {
  const client = new pg.Client({ connectionString: url() });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
