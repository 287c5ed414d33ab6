/** The HTTP API of a server's management plugin. */
import type { ServerAddress } from "../../scripts/servers/server.ts";

export async function api({ endpoints }: ServerAddress, method: string, path: string, body?: object): Promise<void> {
  const headers = { authorization: `Basic ${btoa("guest:guest")}`, "content-type": "application/json" };
  const url = `${endpoints["management"] ?? ""}/api/${path}`;
  const response = await fetch(url, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
}
