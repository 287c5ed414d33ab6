import type { Durability } from "../../contract/index.ts";
import { JobferryError, UnsupportedError } from "../../errors/index.ts";
import type { Connections } from "./connections.ts";
import { LEAST_SERVER } from "./limits.ts";

/** What a server is like, as far as it matters. */
export type Server = Readonly<{ version: number; durability: Durability }>;

const LOOK = `SELECT current_setting('server_version_num'), current_setting('server_version'), pg_is_in_recovery(),
  current_setting('default_transaction_read_only'), current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
  current_setting('transaction_isolation'), current_setting('server_encoding'), 1`;

const BINARY =
  "The pool of pg has the option `binary` (or pg.defaults.binary is set), whose results Jobferry cannot read. Give it a pool without.";

/** @throws UNSUPPORTED for a server that is too old or cannot do what is needed, STORE_READ_ONLY for a replica, INVALID_ARGUMENT for a pool of another format. */
export async function checkServer(connections: Connections, label: string): Promise<Server> {
  const [row = []] = await connections.query({ name: "jobferry_server", text: LOOK });
  const [number, version, recovering, readOnly, fsync, fullPages, commit, isolation, encoding, one] = row;
  if (one !== "1") throw new JobferryError("INVALID_ARGUMENT", BINARY);
  if (Number(number) < LEAST_SERVER) {
    throw new UnsupportedError(
      "server version",
      `${label} runs version ${version}; Jobferry needs PostgreSQL ${LEAST_SERVER / 10_000} or newer. Upgrade the server.`,
    );
  }
  if (recovering === "t" || readOnly === "on") {
    const what = recovering === "t" ? "is a replica" : "is read-only (default_transaction_read_only)";
    throw new JobferryError("STORE_READ_ONLY", `${label} ${what}. Connect to the primary.`);
  }
  if (isolation !== "read committed") {
    // Claims that meet would fail instead of stepping around each other.
    throw new UnsupportedError(
      "isolation level",
      `${label} has default_transaction_isolation "${isolation ?? ""}"; Jobferry needs "read committed" for its own calls (your transactions may have any). Set it for this user with ALTER ROLE … SET.`,
    );
  }
  if (encoding !== "UTF8" && encoding !== "SQL_ASCII") {
    throw new UnsupportedError(
      "database encoding",
      `${label} has the encoding ${encoding ?? ""}, which cannot hold every text; Jobferry needs UTF8. Make a database with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.`,
    );
  }
  return { version: Number(number), durability: durabilityOf(fsync, fullPages, commit) };
}

/**
 * With `synchronous_commit` off a killed server loses up to three times `wal_writer_delay` of commits. Without `fsync` or whole pages what it
 * has told the operating system survives it, but no loss of power.
 */
function durabilityOf(
  fsync: string | null | undefined,
  fullPages: string | null | undefined,
  commit: string | null | undefined,
): Durability {
  if (commit === "off") return "process";
  return fsync === "on" && fullPages === "on" ? "power" : "serverCrash";
}
