/**
 * Where everything lies below the root (default `/jobferry`), layout 1:
 *
 * - the root's data is `jobferry:1`, so that nothing else is written there by mistake;
 * - `k/AREA/REST` are the keys: `a/b/c/d` is the node `k/a,b/c,d`, because a key may have others below it and an ephemeral node may not;
 * - `s/SESSION` is an ephemeral node of each session, by the 16 hexadecimal digits of its id;
 * - `g/00` to `g/3f` are the generations: whoever makes a key raises the version of one of them, chosen by the key.
 */
import { areaOf } from "../shared/coordination-arguments.ts";
import { fnv1a } from "../shared/fnv1a.ts";

export const LAYOUT = 1;
export const ROOT_MARK = "jobferry:";
const GENERATIONS = 64;

export class Layout {
  readonly root: string;

  /** @param root absolute, without a slash at its end. */
  constructor(root: string) {
    this.root = root;
  }

  get keys(): string {
    return `${this.root}/k`;
  }

  get sessions(): string {
    return `${this.root}/s`;
  }

  get generations(): readonly string[] {
    return Array.from({ length: GENERATIONS }, (_, index) => this.#generation(index));
  }

  get generationParent(): string {
    return `${this.root}/g`;
  }

  isGeneration(path: string): boolean {
    return path.startsWith(`${this.generationParent}/`);
  }

  session(id: string): string {
    return `${this.sessions}/${id}`;
  }

  /** Of a key, or of a prefix. */
  area(key: string): string {
    return `${this.keys}/${areaOf(key).replaceAll("/", ",")}`;
  }

  node(key: string): string {
    const area = areaOf(key);
    const rest = key.slice(area.length + 1).replaceAll("/", ",");
    // A node must not be called so. No other name begins with a comma: a key has no empty segment.
    const name = rest === "." || rest === ".." ? `,${rest}` : rest;
    return `${this.keys}/${area.replaceAll("/", ",")}/${name}`;
  }

  /** How the nodes of the keys of a prefix begin. */
  nameIn(prefix: string): string {
    return prefix.slice(areaOf(prefix).length + 1).replaceAll("/", ",");
  }

  keyIn(areaPath: string, name: string): string {
    const area = areaPath.slice(this.keys.length + 1);
    return `${area},${name.startsWith(",") ? name.slice(1) : name}`.replaceAll(",", "/");
  }

  /** Of a changed node; undefined for what is no key. */
  keyOfPath(path: string): string | undefined {
    const slash = path.lastIndexOf("/");
    const areaPath = path.slice(0, slash);
    return areaPath.startsWith(`${this.keys}/`) ? this.keyIn(areaPath, path.slice(slash + 1)) : undefined;
  }

  generation(key: string): string {
    return this.#generation(fnv1a(key) % GENERATIONS);
  }

  #generation(index: number): string {
    return `${this.generationParent}/${index.toString(16).padStart(2, "0")}`;
  }
}
