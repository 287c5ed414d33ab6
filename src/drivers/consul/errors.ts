import type { ErrorClass } from "../../contract/index.ts";
import { isJobferryError, JobferryError } from "../../errors/index.ts";
import { isHangUp, mayBeAnother } from "../shared/hung-up.ts";
import { isTlsCode, speaksTls, tlsFailed, tlsWanted } from "../shared/tls.ts";
import type { Address } from "./client/address.ts";
import { Foreign, NoAnswer, Refusal } from "./client/consul-errors.ts";

const TLS_ADVICE =
  "Use consuls:// only where Consul listens for HTTPS, trust its certificate (tls.ca, tls.serverName), and bring one of your own (tls.cert, tls.key) where it asks for it.";

const WANTED_ADVICE = "Use consuls:// or the option tls, with its authority in tls.ca.";
/** Of Consul, and of proxies before it (nginx, Apache). */
const PLAIN_TO_TLS = /HTTP request (was sent )?to (an )?HTTPS|plain HTTP to an SSL/i;

/** Where what listens hung up on a request without TLS, it is asked whether it wants that. undefined: that was not it. */
export async function wantsTls(
  error: unknown,
  { endpoints, shown }: Pick<Address, "endpoints" | "shown">,
  withinMs: number,
): Promise<JobferryError | undefined> {
  if (!(error instanceof NoAnswer) || !error.isSent || error.isLate) return undefined;
  if ((await speaksTls({ ...endpoints[0], withinMs })) !== true) return undefined;
  const { code, message = "" } = tlsWanted(shown, WANTED_ADVICE);
  return new JobferryError(code, message, { cause: error });
}

/** No message repeats Consul's own: it can hold names of keys. `shown`: the address without the token. */
export function classify(error: unknown, shown: string): ErrorClass {
  if (isJobferryError(error)) return { code: error.code, retryable: error.retryable, message: error.message };
  if (error instanceof NoAnswer) return noAnswer(error, shown);
  if (error instanceof Refusal) return refusal(error, shown);
  if (error instanceof Foreign) return foreign(shown);
  return { code: "UNEXPECTED", retryable: false };
}

function noAnswer({ message, isLate }: NoAnswer, shown: string): ErrorClass {
  if (isTlsCode(message)) return tlsFailed(shown, message, TLS_ADVICE);
  const isSecure = shown.startsWith("consuls:");
  const hint = isLate || isHangUp(message) ? ` ${mayBeAnother("Consul's own is 8500, with TLS 8501", isSecure)}` : "";
  return {
    code: "UNAVAILABLE",
    retryable: true,
    message: isLate
      ? `${shown} gave no answer in time (${message}). It is away or busy, or has no leader because most of its servers are away. Try again.${hint}`
      : `There is no connection to ${shown} (${message}). Check that Consul runs, that it can be reached, and that its HTTP interface is what listens there; then try again.${hint}`,
  };
}

function refusal(error: Refusal, shown: string): ErrorClass {
  const { status, text } = error;
  if (status === 400 && PLAIN_TO_TLS.test(text)) return tlsWanted(shown, WANTED_ADVICE);
  if (status === 403 || status === 401) return denied(text, shown);
  if (error.isTooManyVerbs)
    return {
      code: "INVALID_ARGUMENT",
      retryable: false,
      message: `${shown} takes fewer operations in one transaction than were sent.`,
    };
  if (status === 413)
    return {
      code: "PAYLOAD_TOO_LARGE",
      retryable: false,
      message: `${shown} takes no value or transaction as large. Send less, or raise txn_max_req_len and kv_max_value_size on Consul's servers.`,
    };
  if (status === 429 || status === 503)
    return {
      code: "UNAVAILABLE",
      retryable: true,
      message: `${shown} takes no more requests or connections at the moment. Raise limits.http_max_conns_per_client or its request limits, or use fewer processes at one agent.`,
    };
  if (error.isLeaderless)
    return {
      code: "UNAVAILABLE",
      retryable: true,
      message: `${shown} has no leader at the moment: it changes, or most of its servers are away. Try again.`,
    };
  // Consul has none of these; a proxy before it has.
  if (status >= 500)
    return { code: "UNAVAILABLE", retryable: true, message: `${shown} failed (${status}). Try again.` };
  // What Consul itself refuses with 400, a session's time, was understood before.
  return status === 400 || status === 404 || status === 405 || (status >= 300 && status < 400)
    ? foreign(shown)
    : { code: "UNEXPECTED", retryable: false, message: `${shown} refused a request (${status}).` };
}

function denied(text: string, shown: string): ErrorClass {
  const isUnknown = /ACL not found/i.test(text);
  return {
    code: "ACCESS_DENIED",
    retryable: false,
    message: isUnknown
      ? `${shown} does not know this token. Correct it.`
      : `This token, or none, may not do that on ${shown}. A queue, also one that is only looked at, and a node of a cluster need key_prefix write on the prefix, and session write and node write on "jobferry-sessions" (docs/backends/consul.md). With key_prefix read alone only "jobferry cluster nodes", "leader", "locks" and "plan" work.`,
  };
}

function foreign(shown: string): ErrorClass {
  return {
    code: "STORE_FOREIGN",
    retryable: false,
    message: `What answers at ${shown} is not Consul's HTTP interface. Correct host and port (Consul's own: 8500, with TLS 8501).`,
  };
}
