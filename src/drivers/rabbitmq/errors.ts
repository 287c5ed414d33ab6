import type { ErrorClass } from "../../contract/index.ts";
import { isJobferryError } from "../../errors/index.ts";
import { isTlsCode, speaksTls, tlsFailed, tlsWanted } from "../shared/tls.ts";

/** Replies of AMQP that mean something to a user. */
const ACCESS_REFUSED = 403;
const PRECONDITION_FAILED = 406;
const RESOURCE_ERROR = 506;
export const NOT_ALLOWED = 530;

const AWAY = new Set([
  ...["ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"],
  ...["ENOTFOUND", "EAI_AGAIN", "ENETDOWN", "EHOSTDOWN"],
]);

const TLS_ADVICE =
  "Use amqps:// only where the server speaks TLS, trust its certificate (tls.ca, tls.servername), and bring one of your own (tls.cert, tls.key) where it asks for it.";

/** Ends a sentence that says where to look. */
export const OWN_PORT = "whether it is what listens on that port (its own: 5672, with TLS 5671)";

const available = (message: string): ErrorClass => ({ code: "UNAVAILABLE", retryable: true, message });
const refused = (code: ErrorClass["code"], message: string): ErrorClass => ({ code, retryable: false, message });

/** `place`: where it was tried. Messages of the server are not repeated where they can hold names of users or hosts. */
export function classify(error: unknown, place: string | undefined): ErrorClass {
  if (isJobferryError(error)) return { code: error.code, retryable: error.retryable, message: error.message };
  const { code } = partsOf(error);
  if (isTlsCode(code)) return tlsFailed(place ?? "RabbitMQ", code, TLS_ADVICE);
  const seen = ofClient(error);
  if (place === undefined || seen.message === undefined) return seen;
  return { ...seen, message: `${seen.message} It was tried at ${place}.` };
}

function ofClient(error: unknown): ErrorClass {
  const { code, message } = partsOf(error);
  if (typeof code === "string" && AWAY.has(code))
    return available(`RabbitMQ cannot be reached (${code}). Is the server up, and are host and port right?`);
  return ofReply(code, message) ?? ofText(message) ?? { code: "UNEXPECTED", retryable: false };
}

function partsOf(error: unknown): Readonly<{ code: unknown; message: string }> {
  if (typeof error !== "object" || error === null) return { code: undefined, message: "" };
  const { code, message } = error as Readonly<{ code?: unknown; message?: unknown }>;
  return { code, message: typeof message === "string" ? message : "" };
}

/** Where the server hung up on a first connection without TLS, it is asked whether it wants that. undefined: that was not it. */
export async function wantsTls(error: unknown, url: URL, place: string): Promise<ErrorClass | undefined> {
  const { code, message } = partsOf(error);
  const isHungUp = code === "ECONNRESET" || code === "EPIPE" || /socket closed|unexpected close/i.test(message);
  if (url.protocol !== "amqp:" || !isHungUp) return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const isSpoken = await speaksTls({ host, port: Number(url.port || 5_672) });
  return isSpoken ? tlsWanted(place, "Use amqps://, with its authority in tls.ca.") : undefined;
}

function ofReply(code: unknown, message: string): ErrorClass | undefined {
  switch (code) {
    case ACCESS_REFUSED:
      return denied();
    case NOT_ALLOWED:
      return refused(
        "ACCESS_DENIED",
        "RabbitMQ does not let this user into the virtual host of the URL, or it does not exist.",
      );
    case PRECONDITION_FAILED:
      return ofPrecondition(message);
    case RESOURCE_ERROR:
      return {
        code: "STORE_FULL",
        retryable: true,
        message: "RabbitMQ is short of resources. Make room on the server.",
      };
    case 320: // Closed by an operator, or the server shuts down.
    case 404:
    case 504:
    case 541:
      return available(`RabbitMQ ended the connection or channel (${code}).`);
    default:
      return undefined;
  }
}

function denied(): ErrorClass {
  return refused(
    "ACCESS_DENIED",
    'RabbitMQ refused this user: wrong name or password, or a missing right. It needs configure, write and read on the queues and exchanges that begin with the prefix ("jobferry." unless told otherwise), and write and read on amq.default.',
  );
}

/**
 * A stream is read only from a node that has a running member of it. It has none for a moment after its declaration, a restart or an election (the words
 * differ by version: 3.10 says "a replica", 4 "a running replica"), and for good on a node that joined the cluster later.
 */
export function isWithoutMember(error: unknown): boolean {
  const { code, message } = partsOf(error);
  return code === PRECONDITION_FAILED && WITHOUT_MEMBER.test(message);
}

const WITHOUT_MEMBER = /does not have a (?:running )?replica on the local node|failed consuming from stream/;

function ofPrecondition(message: string): ErrorClass {
  if (WITHOUT_MEMBER.test(message))
    return available(
      'The list of queues (the stream "….queues") has no running member on the node of RabbitMQ that this process is connected to. That passes after a start or an election. Where it stays, run `rabbitmq-streams add_replica` for that stream and node, or give another node\'s URL.',
    );
  if (/message size|larger than/.test(message))
    return refused(
      "PAYLOAD_TOO_LARGE",
      "The message is larger than the server's max_message_size. Set the option maxMessageBytes to it, and push a reference to what is larger.",
    );
  if (/timeout/.test(message))
    return available(
      "A job was held longer than the server's consumer_timeout, so RabbitMQ closed the channel. Raise consumer_timeout above the longest job.",
    );
  const name = /for queue '([^']*)'|for exchange '([^']*)'/.exec(message)?.slice(1).find(Boolean);
  return refused(
    "STORE_FOREIGN",
    `${name === undefined ? "A queue or exchange" : `"${name}"`} exists on RabbitMQ with other arguments than this driver's. Remove it, or give another prefix.`,
  );
}

/** What amqplib tells only by its text. */
function ofText(message: string): ErrorClass | undefined {
  if (/ACCESS[_-]REFUSED|403/.test(message)) return denied();
  // Between the login and the open there is only the virtual host.
  if (/NOT[_-]ALLOWED|530|Expected ConnectionOpenOk/.test(message)) return ofReply(NOT_ALLOWED, message);
  if (
    /ETIMEDOUT|[Ss]ocket closed|[Uu]nexpected close|[Hh]eartbeat timeout|[Cc]onnection clos|[Cc]hannel (ended|clos)/.test(
      message,
    )
  )
    return available(
      `The connection to RabbitMQ was lost or could not be made. Look whether it runs, and ${OWN_PORT}.`,
    );
  if (/Expected ConnectionStart|Invalid frame|handshake|exceeds (maxFrameSize|frame max)/i.test(message))
    return refused(
      "STORE_FOREIGN",
      "What answered does not speak AMQP 0-9-1, or wants TLS. Correct host, port and scheme of the URL (RabbitMQ's own port: 5672, with TLS 5671).",
    );
  return undefined;
}
