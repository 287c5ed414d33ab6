/** What all drivers say when client and server do not agree on TLS, and how they find out. */
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import type { ErrorClass } from "../../contract/index.ts";
import { systemClock } from "../../runtime/index.ts";

const CODES = /^(ERR_TLS|ERR_SSL|ERR_OSSL|ERR_CRYPTO|EPROTO$|CERT_|DEPTH_|SELF_|UNABLE_|HOSTNAME_)/;

/** Narrower than text, so that what is none stays text. */
type TlsCode = `${"ERR" | "CERT" | "DEPTH" | "SELF" | "UNABLE" | "HOSTNAME"}_${string}` | "EPROTO";

/** Whether a code of Node.js is about TLS. Its texts are not repeated: they can hold whole certificates. */
export function isTlsCode(code: unknown): code is TlsCode {
  return typeof code === "string" && CODES.test(code);
}

/** `code`: of Node.js, or why. `advice`: which scheme and options are meant. */
export function tlsFailed(shown: string, code: string, advice: string): ErrorClass {
  return {
    code: "ACCESS_DENIED",
    retryable: false,
    message: `The TLS handshake with ${shown} failed (${code}). ${advice}`,
  };
}

export function tlsWanted(shown: string, advice: string): ErrorClass {
  return { code: "ACCESS_DENIED", retryable: false, message: `${shown} wants TLS. ${advice}` };
}

const PATIENCE_MS = 1_000;
/** In less nobody answers. */
const LEAST_PATIENCE_MS = 20;

export type Asked = Readonly<{
  host: string;
  port: number;
  /** How long it may take. Default, and most: two seconds. */
  withinMs?: number;
  /** What a server without TLS answers so, where it is silent to a TLS handshake or hangs up. */
  greeting?: Readonly<{ text: string; answer: RegExp }>;
}>;

/**
 * Whether the server there speaks TLS; undefined: nothing proves either. Servers end the connection without a word when a client speaks the wrong one of the
 * two, and so does what stands before a server that is away; so this is asked when opening has failed, for up to two seconds, and a hang-up alone is no answer.
 * Nothing is trusted or told.
 */
export async function speaksTls({ host, port, greeting, withinMs }: Asked): Promise<boolean | undefined> {
  const patienceMs = Math.min(PATIENCE_MS, (withinMs ?? Infinity) / 2);
  if (patienceMs < LEAST_PATIENCE_MS) return undefined;
  const name = isIP(host) === 0 ? { servername: host } : {};
  // rejectUnauthorized: whose certificate it is does not matter here, and nothing is sent.
  const socket = connectTls({ host, port, ...name, rejectUnauthorized: false });
  const answer = await asked(socket, patienceMs, "secureConnect");
  if (answer === "yes") return true;
  if (answer === "away") return undefined;
  if (answer !== "silent" && isTlsCode(answer.no)) return /ALERT/.test(answer.no);
  if (greeting === undefined) return undefined;
  const plain = connectPlain({ host, port });
  plain.once("connect", () => plain.write(greeting.text));
  return (await asked(plain, patienceMs, "data", greeting.answer)) === "yes" ? false : undefined;
}

/** Why a handshake with these options fails, as a code of Node.js; undefined: it does not, or the server is away. For clients that do not tell. */
export async function handshakeFailure(
  { host, port }: Pick<Asked, "host" | "port">,
  options: ConnectionOptions,
): Promise<string | undefined> {
  const name = isIP(host) === 0 ? { servername: host } : {};
  const answer = await asked(connectTls({ ...name, ...options, host, port }), PATIENCE_MS, "secureConnect");
  return typeof answer === "object" && isTlsCode(answer.no) ? answer.no : undefined;
}

type Answer = "yes" | "away" | "silent" | Readonly<{ no: string }>;

/** Real sockets on the real clock: with a virtual one that nobody advances a silent server would never be given up. */
function asked(socket: Socket, patienceMs: number, sign: string, expected = /^/): Promise<Answer> {
  return new Promise((resolve) => {
    let isConnected = false;
    const timer = systemClock.timer(patienceMs, () => end(isConnected ? "silent" : "away"));
    const end = (answer: Answer): void => {
      timer.cancel();
      resolve(answer);
      socket.destroy();
    };
    socket.once("connect", () => (isConnected = true));
    // Servers with TLS answer plain text, too: with an alert, or an error of HTTP.
    socket.once(sign, (data?: Buffer) => end(expected.test(data?.toString("latin1") ?? "") ? "yes" : { no: "" }));
    socket.on("error", (error: NodeJS.ErrnoException) => end(isConnected ? { no: error.code ?? "" } : "away"));
    socket.once("close", () => end(isConnected ? { no: "" } : "away"));
  });
}
