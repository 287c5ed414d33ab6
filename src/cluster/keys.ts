import { JobferryError } from "../errors/index.ts";

/** Any name as one segment of a key. */
function segment(name: string): string {
  return encodeURIComponent(name).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The place of everything that a cluster keeps. Each kind is an area of its own, so that versions order it. */
export class ClusterKeys {
  readonly #root: string;
  readonly #keyBytes: number;

  constructor(name: string, keyBytes: number) {
    this.#root = segment(name);
    this.#keyBytes = keyBytes;
  }

  get nodes(): string {
    return `${this.#root}/nodes/`;
  }

  get election(): string {
    return `${this.#root}/election/`;
  }

  node(nodeId: string): string {
    return this.#checked(`${this.nodes}${segment(nodeId)}`, "node id");
  }

  /** All lines of locks. */
  get locks(): string {
    return `${this.#root}/locks/`;
  }

  /** Of a key below `locks`. */
  lockName(key: string): string {
    return decodeURIComponent(key.slice(this.locks.length).split("/")[0] ?? "");
  }

  /** Where those stand who hold a lock or wait for it. */
  lock(name: string): string {
    return this.#checked(`${this.locks}${segment(name)}/`, "lock name");
  }

  /** A value that the leader keeps for everybody. */
  board(name: string): string {
    return `${this.#root}/board/${segment(name)}`;
  }

  topic(name: string): string {
    return this.#checked(`${this.#root}/bus/${segment(name)}/`, "topic");
  }

  /** @throws INVALID_ARGUMENT when a key with room for an id behind it is longer than the store takes. */
  #checked(key: string, what: string): string {
    const room = this.#keyBytes - 40;
    if (key.length <= room) return key;
    throw new JobferryError(
      "INVALID_ARGUMENT",
      `The ${what} makes a key of ${key.length} bytes; this store takes ${room}. Use a shorter one (a character that is not ASCII counts up to 12).`,
    );
  }
}
