import type { Terminal } from "../terminal.ts";

const ESC = "\u001b[";
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}?7l`; // other screen, no cursor, long lines cut
const LEAVE = `${ESC}?7h${ESC}?25h${ESC}?1049l`;
const DOWN = ["j", `${ESC}B`];
const UP = ["k", `${ESC}A`];
const QUIT = ["q", "\u0003", "\u001b"];

type Keyboard = NodeJS.ReadableStream & { setRawMode?: (raw: boolean) => unknown };

/** The whole terminal, until the user quits. What was on it before is there again afterwards. */
export class Screen {
  readonly #terminal: Terminal;
  readonly #onQuit: () => void;
  #lines: readonly string[] = [];
  #top = 0;
  readonly #onKey = (key: string | Uint8Array): void => this.#key(String(key));
  readonly #onResize = (): void => this.#draw();

  constructor(terminal: Terminal, onQuit: () => void) {
    this.#terminal = terminal;
    this.#onQuit = onQuit;
    const keyboard: Keyboard = terminal.stdin;
    keyboard.setRawMode?.(true);
    keyboard.on("data", this.#onKey);
    terminal.stdout.on("resize", this.#onResize);
    terminal.stdout.write(ENTER);
  }

  show(text: string): void {
    this.#lines = text.split("\n");
    this.#draw();
  }

  close(): void {
    const keyboard: Keyboard = this.#terminal.stdin;
    keyboard.off("data", this.#onKey);
    keyboard.setRawMode?.(false);
    keyboard.pause();
    this.#terminal.stdout.off("resize", this.#onResize);
    this.#terminal.stdout.write(LEAVE);
  }

  #key(key: string): void {
    if (QUIT.includes(key)) return this.#onQuit();
    if (DOWN.includes(key)) this.#top += 1;
    if (UP.includes(key)) this.#top -= 1;
    this.#draw();
  }

  /** The first line is the head and stays. */
  #draw(): void {
    const { stdout } = this.#terminal;
    const [head = "", ...rest] = this.#lines;
    const room = Math.max(1, ("rows" in stdout && typeof stdout.rows === "number" ? stdout.rows : 24) - 2);
    this.#top = Math.max(0, Math.min(this.#top, rest.length - room));
    const shown = [head, ...rest.slice(this.#top, this.#top + room), "q quits, j and k scroll"];
    stdout.write(`${ESC}H${shown.map((line) => `${line}${ESC}K`).join("\r\n")}${ESC}J`);
  }
}
