/** What nobody listened to and no one awaited while it was open: in a program each would have ended the process. */
export class UnheardErrors implements Disposable {
  readonly all: string[] = [];
  readonly #remember = (error: unknown): void => void this.all.push(String(error));

  constructor() {
    process.on("uncaughtException", this.#remember);
    process.on("unhandledRejection", this.#remember);
  }

  [Symbol.dispose](): void {
    process.off("uncaughtException", this.#remember);
    process.off("unhandledRejection", this.#remember);
  }
}
