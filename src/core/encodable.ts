type NotJson =
  | bigint
  | symbol
  | Date
  | RegExp
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | Promise<unknown>
  | ((...args: never[]) => unknown);

/** T where encoding gives back the same value; `never` at the place where it would not (Date, Map, bigint, function). */
export type Encodable<T> = unknown extends T
  ? T
  : T extends NotJson
    ? never
    : T extends string | number | boolean | null | undefined | Uint8Array
      ? T
      : T extends object
        ? { [K in keyof T]: Encodable<T[K]> }
        : never;
