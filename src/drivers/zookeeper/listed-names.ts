/** Areas, and names of one area: more are not remembered. */
const MOST_AREAS = 32;
const MOST_NAMES = 10_000;

type Listed = Readonly<{ names: readonly string[]; gone: Set<string> }>;

/** The names below an area as they were listed last, without those that this client has deleted since: what the next listing probably finds. */
export class ListedNames {
  readonly #areas = new Map<string, Listed>();

  saw(area: string, names: readonly string[]): void {
    this.#areas.delete(area);
    const [oldest] = this.#areas.keys();
    if (this.#areas.size >= MOST_AREAS && oldest !== undefined) this.#areas.delete(oldest);
    if (names.length > 0 && names.length <= MOST_NAMES) this.#areas.set(area, { names, gone: new Set() });
  }

  deleted(path: string): void {
    const slash = path.lastIndexOf("/");
    this.#areas.get(path.slice(0, slash))?.gone.add(path.slice(slash + 1));
  }

  of(area: string): readonly string[] {
    const { names = [], gone = new Set() } = this.#areas.get(area) ?? {};
    return gone.size === 0 ? names : names.filter((name) => !gone.has(name));
  }
}
