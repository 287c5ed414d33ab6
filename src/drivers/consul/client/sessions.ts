import { JobferryError } from "../../../errors/index.ts";
import { SessionTimeRefused } from "../../shared/session-time-refused.ts";
import { Foreign, Refusal } from "./consul-errors.ts";
import type { ConsulClient } from "./consul-client.ts";

/**
 * The node of the catalog that has all sessions: no machine, so nothing but their own time ends them. A session of the agent's machine ends at once when that
 * agent leaves in good order, while its holder may believe for a whole time to live that it holds what others are given.
 */
const NODE = "jobferry-sessions";
/** Consul asks for one. Nobody uses it. */
const NO_ADDRESS = "127.0.0.1";

/**
 * Sessions that end after twice their time to live, which is Consul's way, and take their keys with them at once: without a delay for the next
 * lock, and whatever becomes of the agent and its machine (docs/adr/0127).
 */
export class Sessions {
  readonly #client: ConsulClient;
  readonly #shown: string;

  constructor(client: ConsulClient, shown: string) {
    this.#client = client;
    this.#shown = shown;
  }

  /** @throws INVALID_ARGUMENT when the server refuses the time to live or gives another one. */
  async create(ttlMs: number): Promise<string> {
    const times = { TTL: `${ttlMs}ms`, Behavior: "delete", LockDelay: "0s", NodeChecks: [] };
    const wanted = { Name: "jobferry", Node: NODE, ...times };
    const id = await this.#createOnNode(JSON.stringify(wanted), ttlMs);
    // The answer to a renewal shows what was made, and its time begins here.
    const made = await this.#renew(id);
    if (made === undefined || durationMs(made.ttl) !== ttlMs || made.behavior !== "delete") {
      await this.destroy(id).catch(() => undefined);
      throw new JobferryError(
        "INVALID_ARGUMENT",
        `A session of ${ttlMs} ms was asked for, and ${this.#shown} made one of ${made?.ttl ?? "nothing"} with the behavior ${made?.behavior ?? "of none"}. Look at what stands between this process and Consul.`,
      );
    }
    return id;
  }

  async renew(id: string): Promise<"ok" | "lost"> {
    return (await this.#renew(id)) === undefined ? "lost" : "ok";
  }

  /** Also one that has ended. */
  async destroy(id: string): Promise<void> {
    await this.#client.call({ method: "PUT", path: `/v1/session/destroy/${encodeURIComponent(id)}` });
  }

  /** Registering is needed once in the life of a datacenter, or again after somebody has removed the node. */
  async #createOnNode(body: string, ttlMs: number): Promise<string> {
    try {
      return await this.#create(body, ttlMs);
    } catch (error) {
      if (!(error instanceof Refusal && /missing node registration/i.test(error.text))) throw error;
      const node = JSON.stringify({ Node: NODE, Address: NO_ADDRESS });
      await this.#client.call({ method: "PUT", path: "/v1/catalog/register", body: node });
      return this.#create(body, ttlMs);
    }
  }

  async #create(body: string, ttlMs: number): Promise<string> {
    try {
      const { json } = await this.#client.call({ method: "PUT", path: "/v1/session/create", body });
      if (typeof json === "object" && json !== null && "ID" in json && typeof json.ID === "string") return json.ID;
    } catch (error) {
      const range = error instanceof Refusal ? /Invalid Session TTL.*between \[(\w+)=(\w+)\]/i.exec(error.text) : null;
      if (range === null) throw error;
      const [, least = "", most = ""] = range;
      const [min, max] = [durationMs(least), durationMs(most)];
      const message = `A session of ${ttlMs} ms was asked for, and ${this.#shown} takes from ${least} to ${most}. Use a time in between, or set session_ttl_min on Consul's servers.`;
      if (min === undefined || max === undefined) throw new JobferryError("INVALID_ARGUMENT", message);
      throw new SessionTimeRefused(message, Math.min(Math.max(ttlMs, min), max));
    }
    throw new Foreign("a session without an id");
  }

  async #renew(id: string): Promise<Readonly<{ ttl: string; behavior: string }> | undefined> {
    const path = `/v1/session/renew/${encodeURIComponent(id)}`;
    const { status, json, text } = await this.#client.call({ method: "PUT", path, alsoFine: [404] });
    if (status === 404) {
      // Not what some proxy says that does not know the way.
      if (/^Session id .* not found/i.test(text)) return undefined;
      throw new Foreign("a session that is told to be missing by something else than Consul");
    }
    const [session] = Array.isArray(json) ? (json as readonly unknown[]) : [];
    if (typeof session !== "object" || session === null) throw new Foreign("a renewal without a session");
    const { TTL: ttl, Behavior: behavior } = session as Readonly<Record<string, unknown>>;
    if (typeof ttl !== "string" || typeof behavior !== "string") throw new Foreign("a session without its times");
    return { ttl, behavior };
  }
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1, us: 1e-3, µs: 1e-3 };

/** Of a duration as Go writes it, e.g. "1m30s" or "1500ms". */
export function durationMs(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:h|m|s|ms|us|µs))+$/.test(text)) return undefined;
  return [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs)/g)].reduce(
    (sum, [, number, unit = ""]) => sum + Number(number) * (UNITS[unit] ?? NaN),
    0,
  );
}
