export type Credentials = Readonly<{ user: string; password: string }>;

/**
 * The token of a user. etcd's simple tokens end with the server that gave them or when they are not used for 5 minutes, and others by their time,
 * so a token that was refused is forgotten, and whoever comes next gets a new one.
 */
export class Login {
  readonly #ask: () => Promise<string>;
  #token: Promise<string> | undefined;
  #known: string | undefined;

  /** Checking a password costs the server 80 ms and more: those who come at once share one. */
  constructor(ask: () => Promise<string>) {
    this.#ask = ask;
  }

  async token(): Promise<string> {
    if (this.#known !== undefined) return this.#known;
    this.#token ??= this.#ask().finally(() => (this.#token = undefined));
    this.#known = await this.#token;
    return this.#known;
  }

  forget(token: string): void {
    if (this.#known === token) this.#known = undefined;
  }
}
