type Asked = Readonly<{
  /** The request has one of these in its bytes. */
  requests: readonly string[];
  /** An answer with this at its beginning gets through, and the next request is waited for. */
  passes?: RegExp;
  /** How its connection ends. Default: "reset". */
  how?: "reset" | "end";
}>;

/** Loses the answer of one request, on whichever connection of whichever proxy it comes first. */
export class LostAnswer {
  readonly how: "reset" | "end";
  readonly #requests: readonly Buffer[];
  readonly #passes: RegExp | undefined;
  readonly #longest: number;
  #isDone = false;

  constructor({ requests, passes, how = "reset" }: Asked) {
    this.how = how;
    this.#requests = requests.map((text) => Buffer.from(text));
    this.#passes = passes;
    this.#longest = Math.max(...requests.map((text) => text.length));
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** For one connection. */
  watcher(): AnswerWatcher {
    let seen: Buffer = Buffer.alloc(0);
    let isAsked = false;
    return {
      how: this.how,
      request: (chunk) => {
        if (this.#isDone || isAsked) return;
        const bytes = Buffer.concat([seen, chunk]);
        isAsked = this.#requests.some((text) => bytes.includes(text));
        // What lies across two chunks is found, too.
        seen = isAsked ? Buffer.alloc(0) : bytes.subarray(-this.#longest);
      },
      loses: (chunk) => {
        if (this.#isDone || !isAsked) return false;
        isAsked = false;
        this.#isDone = this.#passes?.test(chunk.toString("latin1")) !== true;
        return this.#isDone;
      },
    };
  }
}

export type AnswerWatcher = Readonly<{
  how: "reset" | "end";
  request(chunk: Buffer): void;
  /** Whether these bytes, and whatever comes after them, are lost. */
  loses(chunk: Buffer): boolean;
}>;
