import { Foreign, Refusal } from "./consul-errors.ts";
import type { ConsulClient, Reply } from "./consul-client.ts";

/** A key as Consul has it. `value` is base64, or nothing for no bytes. */
export type Row = Readonly<{ key: string; value: string | undefined; modifyIndex: number }>;
/** What lies under a prefix, in the order of the keys' bytes, and the index of its last change. */
export type Rows = Readonly<{ rows: readonly Row[]; index: string }>;
export type Names = Readonly<{ names: readonly string[]; index: string }>;

/** One step of a transaction. The steps take effect one after the other, or none does. */
export type Verb =
  | Readonly<{ verb: "set"; key: string; value: Uint8Array }>
  | Readonly<{ verb: "lock"; key: string; value: Uint8Array; session: string }>
  | Readonly<{ verb: "delete" | "check-not-exists" | "get" | "get-tree"; key: string }>
  | Readonly<{ verb: "check-index"; key: string; index: number }>;

/** `refused`: the steps that did not hold, by their place, and what Consul said of each. `index`: of the last write, 0 where there was no put. */
export type Committed =
  | Readonly<{ ok: true; rows: readonly Row[]; index: number }>
  | Readonly<{ ok: false; refused: readonly Readonly<{ at: number; what: string }>[] }>;

/** Of a transaction, as JSON. */
export const MAX_BODY_BYTES = 524_288;

/** The keys of Consul below one root, which callers leave out. Reads come from the leader, after it has made sure that it is one. */
export class KeyValues {
  readonly #client: ConsulClient;
  readonly #root: string;

  constructor(client: ConsulClient, root: string) {
    this.#client = client;
    this.#root = root;
  }

  async get(key: string): Promise<Row | undefined> {
    return this.#rowsOf(await this.#read(key, "")).rows[0];
  }

  async list(prefix: string, signal?: AbortSignal): Promise<Rows> {
    return this.#rowsOf(await this.#read(prefix, "&recurse", signal));
  }

  /** One level: what lies deeper is told once, as a name that ends with "/". */
  async names(prefix: string): Promise<Names> {
    const { json, index } = await this.#read(prefix, `&keys&separator=${encodeURIComponent("/")}`);
    if (!(json === undefined || (Array.isArray(json) && json.every((name) => typeof name === "string"))))
      throw new Foreign("names that are no texts");
    const names: readonly string[] = json ?? [];
    return { names: names.map((name) => name.slice(this.#root.length)), index: indexOf(index) };
  }

  /** Answers when something under the prefix has changed since `index`, and after `waitMs` at the latest. It may also answer without reason. */
  async wait(prefix: string, index: string, waitMs: number, signal: AbortSignal): Promise<Rows> {
    const path = `${this.#path(prefix)}?consistent&recurse&index=${index}&wait=${waitMs}ms`;
    return this.#rowsOf(await this.#client.wait({ method: "GET", path, signal, alsoFine: [404] }, waitMs));
  }

  /** As JSON, to be sent by `commit`: values are copied here. */
  bodyOf(verbs: readonly Verb[]): string {
    return JSON.stringify(verbs.map((verb) => ({ KV: this.#stepOf(verb) })));
  }

  async commit(body: string): Promise<Committed> {
    const { status, json } = await this.#client.call({
      ...{ method: "PUT", path: "/v1/txn?consistent", body, alsoFine: [409] },
    });
    if (typeof json !== "object" || json === null) throw new Foreign("a transaction without a result");
    if (status === 409) return { ok: false, refused: refusedIn(json) };
    const results = "Results" in json && Array.isArray(json.Results) ? (json.Results as readonly unknown[]) : [];
    const rows = results.map((result) => this.#rowOf((result as Readonly<{ KV?: unknown }> | null)?.KV));
    return { ok: true, rows, index: Math.max(0, ...rows.map(({ modifyIndex }) => modifyIndex)) };
  }

  #stepOf(step: Verb): object {
    const named = { Verb: step.verb, Key: `${this.#root}${step.key}` };
    if ("index" in step) return { ...named, Index: step.index };
    if (!("value" in step)) return named;
    const { buffer, byteOffset, length } = step.value;
    const put = { ...named, Value: Buffer.from(buffer, byteOffset, length).toString("base64") };
    return "session" in step ? { ...put, Session: step.session } : put;
  }

  #read(key: string, more: string, signal?: AbortSignal): Promise<Reply> {
    return this.#client.call({ method: "GET", path: `${this.#path(key)}?consistent${more}`, alsoFine: [404], signal });
  }

  #path(key: string): string {
    // Consul takes an encoded "/" for what it is.
    return `/v1/kv/${encodeURIComponent(`${this.#root}${key}`)}`;
  }

  #rowsOf({ json, index }: Reply): Rows {
    if (!(json === undefined || Array.isArray(json))) throw new Foreign("keys that are no list");
    return { rows: (json ?? []).map((one: unknown) => this.#rowOf(one)), index: indexOf(index) };
  }

  #rowOf(json: unknown): Row {
    if (typeof json !== "object" || json === null) throw new Foreign("a key that is no object");
    const { Key: key, Value: value, ModifyIndex: modifyIndex } = json as Readonly<Record<string, unknown>>;
    if (typeof key !== "string" || typeof modifyIndex !== "number" || !key.startsWith(this.#root))
      throw new Foreign("a key without name and index");
    return { key: key.slice(this.#root.length), value: typeof value === "string" ? value : undefined, modifyIndex };
  }
}

/** Consul has it in every answer about keys. */
function indexOf(index: string | undefined): string {
  if (index === undefined || !/^\d+$/.test(index)) throw new Foreign("an answer without an index");
  return index;
}

function refusedIn(json: object): readonly Readonly<{ at: number; what: string }>[] {
  const errors = "Errors" in json && Array.isArray(json.Errors) ? (json.Errors as readonly unknown[]) : [];
  const refused = errors.flatMap((error) => {
    const { OpIndex: at, What: what } = (error ?? {}) as Readonly<Record<string, unknown>>;
    return typeof at === "number" && typeof what === "string" ? [{ at, what }] : [];
  });
  const denied = refused.find(({ what }) => /permission denied/i.test(what));
  // Nothing was done, for a reason that no condition is.
  if (denied !== undefined) throw new Refusal(403, denied.what);
  if (refused.length === 0) throw new Foreign("a transaction that was refused without a reason");
  return refused;
}
