import { constants, type ClientHttp2Stream, type IncomingHttpHeaders } from "node:http2";
import { EtcdRefusal, NoAnswer, NotEtcd, NotReached, STATUS } from "./failures.ts";
import { Framing } from "./framing.ts";

const { NGHTTP2_REFUSED_STREAM, NGHTTP2_CANCEL } = constants;

/** `ended`: once, at the end, with what it failed with. */
export type Heard = Readonly<{
  message(message: Uint8Array): void;
  anything(): void;
  ended(failure: Error | undefined): void;
}>;

/** One call or stream of gRPC: the messages that come, and how it ends. */
export class Exchange {
  readonly #stream: ClientHttp2Stream;
  readonly #heard: Heard;
  readonly #framing: Framing;
  #failure: Error | undefined;
  #cause: unknown;
  #httpStatus: number | undefined;
  #isGrpc = false;
  #status: number | undefined;
  #details = "";

  constructor(stream: ClientHttp2Stream, maxBytes: number, heard: Heard) {
    this.#stream = stream;
    this.#heard = heard;
    this.#framing = new Framing(maxBytes);
    stream.on("response", (headers) => this.#response(headers));
    stream.on("trailers", (headers) => this.#trailers(headers));
    stream.on("data", (chunk: Buffer) => this.#data(chunk));
    stream.on("error", (error) => (this.#cause ??= error));
    stream.once("close", () => heard.ended(this.#end()));
  }

  send(framed: Uint8Array): void {
    if (!this.#stream.closed) this.#stream.write(framed);
  }

  /** Sends the last message. */
  finish(framed: Uint8Array): void {
    this.#stream.end(framed);
  }

  /** Nobody waits for it any more. */
  cancel(failure: Error): void {
    this.#failure ??= failure;
    this.#stream.close(NGHTTP2_CANCEL);
  }

  #response(headers: IncomingHttpHeaders): void {
    this.#heard.anything();
    this.#httpStatus = Number(headers[":status"]);
    this.#isGrpc = headers["content-type"]?.startsWith("application/grpc") === true;
    this.#trailers(headers);
  }

  #trailers(headers: IncomingHttpHeaders): void {
    const { "grpc-status": status, "grpc-message": details } = headers;
    if (status === undefined) return;
    this.#status = Number(status);
    this.#details = typeof details === "string" ? decoded(details) : "";
  }

  #data(chunk: Buffer): void {
    this.#heard.anything();
    if (this.#failure !== undefined || !this.#isGrpc) return;
    try {
      for (const message of this.#framing.messagesIn(chunk)) this.#heard.message(message);
    } catch (error) {
      this.cancel(error instanceof Error ? error : new NotEtcd("what came cannot be read"));
    }
  }

  #end(): Error | undefined {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#httpStatus !== undefined && !(this.#httpStatus >= 500) && !(this.#isGrpc && this.#httpStatus === 200))
      return new NotEtcd(`an answer of HTTP with status ${this.#httpStatus}`);
    if (this.#status === STATUS.ok) return undefined;
    if (this.#status !== undefined) return new EtcdRefusal(this.#status, this.#details);
    const cause = { cause: this.#cause };
    if (this.#stream.rstCode === NGHTTP2_REFUSED_STREAM) return new NotReached("the server takes no call now", cause);
    return new NoAnswer("the connection broke before the answer", cause);
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
