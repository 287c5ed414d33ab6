import type { Queue } from "jobferry";
import { postgresQueue } from "jobferry/postgres";
import { silentLogger } from "../../src/runtime/index.ts";
import { testTlsMismatch } from "../faults/tls-mismatch.ts";

await testTlsMismatch("postgres", {
  server: "postgres",
  open: (port, trust) => {
    const { ca, name } = trust ?? {};
    const ssl = { ...(ca === undefined ? {} : { ca }), ...(name === undefined ? {} : { servername: name }) };
    const place = { host: "127.0.0.1", port, user: "postgres", database: "postgres" };
    const connection = trust === undefined ? place : { ...place, ssl };
    return postgresQueue({ logger: silentLogger, connection }) as unknown as Queue;
  },
  advice: /sslmode.*`ssl`/,
});
