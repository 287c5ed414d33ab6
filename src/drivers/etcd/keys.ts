/** Where a store's keys lie in etcd. See docs/backends/etcd.md. */
export class EtcdKeys {
  /** A role needs read and write on it and all behind it. */
  readonly root: string;
  readonly #kept: string;

  constructor(prefix: string) {
    this.root = `${prefix}/`;
    this.#kept = `${this.root}keys/`;
  }

  get layout(): string {
    return `${this.root}layout`;
  }

  /** Of a key, or of the start of one. */
  of(key: string): string {
    return this.#kept + key;
  }

  nameOf(key: string): string {
    return key.slice(this.#kept.length);
  }

  /** Lives as long as its lease. */
  session(id: string): string {
    return `${this.root}sessions/${id}`;
  }

  /** As etcdctl shows leases. */
  static idOf(lease: bigint): string {
    return BigInt.asUintN(64, lease).toString(16);
  }

  /** An id that this store cannot have given names no lease: etcd gives none below 1. */
  static leaseOf(id: string): bigint {
    return /^[0-9a-f]{1,16}$/.test(id) ? BigInt.asIntN(64, BigInt(`0x${id}`)) : -1n;
  }
}
