/** What a person sees of what a program wrote to a terminal: as much of one as `node:readline` asks for. */
export class Terminal {
  readonly #lines: string[] = [""];
  #row = 0;
  #column = 0;
  /** What was seen each time before it was drawn over. */
  readonly pictures: (readonly string[])[] = [];

  get lines(): readonly string[] {
    return this.#lines.map((line) => line.trimEnd());
  }

  write(text: string): void {
    const [plain = "", ...sequences] = text.split("\u001B");
    this.#print(plain);
    for (const sequence of sequences) {
      const [whole, count = "", command] = /^\[(\d*)([A-Za-z])/.exec(sequence) ?? [""];
      this.#control(command, Number(count === "" ? 1 : count));
      this.#print(sequence.slice(whole.length));
    }
  }

  /** @throws for a command that is none of these: then nobody knows what is seen. */
  #control(command: string | undefined, count: number): void {
    switch (command) {
      case "A":
        if (count > this.#row) throw new Error(`${count} lines up from line ${this.#row}`);
        this.pictures.push(this.lines);
        this.#row -= count;
        return;
      case "G":
        this.#column = count - 1;
        return;
      case "J":
        this.#lines.splice(this.#row + 1);
        this.#lines[this.#row] = (this.#lines[this.#row] ?? "").slice(0, this.#column);
        return;
      default:
        throw new Error(`a sequence with the command ${JSON.stringify(command)} is not known here`);
    }
  }

  #print(text: string): void {
    for (const [part] of text.matchAll(/[\r\n]|[^\r\n]+/g)) {
      if (part === "\r") this.#column = 0;
      else if (part === "\n") this.#down();
      else this.#put(part);
    }
  }

  #down(): void {
    this.#row += 1;
    this.#lines[this.#row] ??= "";
  }

  #put(text: string): void {
    const line = (this.#lines[this.#row] ?? "").padEnd(this.#column);
    this.#lines[this.#row] = line.slice(0, this.#column) + text + line.slice(this.#column + text.length);
    this.#column += text.length;
  }
}
