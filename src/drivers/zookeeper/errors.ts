import type { ErrorClass } from "../../contract/index.ts";
import { isJobferryError } from "../../errors/index.ts";
import { tlsFailed, tlsWanted } from "../shared/tls.ts";
import { Code, ZookeeperError } from "./client/zookeeper-error.ts";

const TLS_ADVICE =
  "Use zookeepers:// only where the server has a secureClientPort, trust its certificate (tls.ca, tls.servername), and bring one of your own (tls.cert, tls.key) where ssl.clientAuth asks for it.";

const refused = (code: ErrorClass["code"], message: string): ErrorClass => ({ code, retryable: false, message });

/** `shown`: the servers, without a login. `root`: the node that everything lies below. */
export function classify(error: unknown, shown: string, root: string): ErrorClass {
  if (isJobferryError(error)) return { code: error.code, retryable: error.retryable, message: error.message };
  if (!(error instanceof ZookeeperError)) return { code: "UNEXPECTED", retryable: false };
  switch (error.kind) {
    case "answer":
      return ofAnswer(error, root);
    case "closed":
      return refused("CLOSED", "The ZooKeeper store is closed. Make another one.");
    case "size":
      return refused(
        "PAYLOAD_TOO_LARGE",
        `${error.message} Send less, or raise jute.maxbuffer on all servers and maxRequestBytes here.`,
      );
    case "foreign":
      return refused(
        "STORE_FOREIGN",
        `What listens at ${shown} is not ZooKeeper: its answer is none of ZooKeeper's protocol. Correct the address; the port for clients is 2181 by default, not that of the admin server or of the quorum.`,
      );
    case "tls":
      return tlsFailed(`ZooKeeper at ${shown}`, error.message, TLS_ADVICE);
    case "tlsWanted":
      return tlsWanted(`ZooKeeper at ${shown}`, "Use zookeepers:// or the option tls, with its authority in tls.ca.");
    case "expired":
      return { code: "SESSION_LOST", retryable: true, message: "The session has ended in ZooKeeper." };
    case "lost":
      return {
        code: "UNAVAILABLE",
        retryable: true,
        message: `${error.message} Whether the call took effect is not known.`,
      };
    case "refused":
      return {
        code: "UNAVAILABLE",
        retryable: true,
        message: `${error.message} Check that a majority of the servers runs and can be reached; a queue that is open goes on trying by itself.`,
      };
  }
}

function ofAnswer(error: ZookeeperError, root: string): ErrorClass {
  const where = error.path ?? root;
  switch (error.code) {
    case Code.noAuth:
      return refused(
        "ACCESS_DENIED",
        `The access list of ${where} does not let this client do that: it needs read, write, create and delete on ${root} and below, and must be logged in as whoever made them (username, password).`,
      );
    case Code.authFailed:
      return refused(
        "ACCESS_DENIED",
        "ZooKeeper refused the username or password, or the way they are shown. Correct them, or authentication (digest, sasl).",
      );
    // Of a list for whoever is logged in, from one who is not: the server took no part in the login.
    case Code.invalidAcl:
      return refused(
        "ACCESS_DENIED",
        'ZooKeeper did not take this login: it has no SASL set up, perhaps. Set it up there, or leave out authentication: "sasl" (?auth=sasl).',
      );
    case Code.saslRequired:
      return refused(
        "ACCESS_DENIED",
        'ZooKeeper wants a login by SASL. Give a username and password, with authentication: "sasl".',
      );
    case Code.noChildrenForEphemerals:
    case Code.notEmpty:
      return refused(
        "STORE_FOREIGN",
        `The node ${where} is of another kind than Jobferry's: somebody else made it, or something below it. Choose another root.`,
      );
    case Code.unimplemented:
      return refused(
        "UNSUPPORTED",
        "ZooKeeper does not do this: it is older than 3.6, or a node with a time to live was asked for and zookeeper.extendedTypesEnabled is not true.",
      );
    case Code.quotaExceeded:
      return {
        code: "STORE_FULL",
        retryable: true,
        message: `The quota of a node above ${where} is reached; nothing was stored. Raise it.`,
      };
    case Code.notReadOnly:
      return { code: "STORE_READ_ONLY", retryable: true, message: "This server has no majority and reads only." };
    case Code.sessionExpired:
    case Code.sessionMoved:
    case Code.throttled:
      return { code: "UNAVAILABLE", retryable: true, message: `${error.message} Try again.` };
    default:
      return { code: "UNEXPECTED", retryable: false, message: error.message };
  }
}
