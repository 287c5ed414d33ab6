/** Who a connection is. Each new one has to say it again. */
import { createHash, randomBytes } from "node:crypto";
import type { Connection } from "./connection.ts";
import { requests } from "./requests.ts";
import { answerError, Code, isAnswer, isKind } from "./zookeeper-error.ts";

/** `digest`: a name and password that nodes' access lists can name; the server takes any. `sasl`: the server knows them (DIGEST-MD5). */
export type Login = Readonly<{ scheme: "digest" | "sasl"; username: string; password: string }>;

const SERVICE = "zookeeper";

/** @throws a ZookeeperError: an answer, authFailed where the server does not let in. */
export async function logIn(connection: Connection, login: Login): Promise<void> {
  try {
    if (login.scheme === "sasl") await logInBySasl(connection, login);
    else await connection.call(requests.auth("digest", `${login.username}:${login.password}`));
  } catch (error) {
    // Where it is required a server says of a wrong one that it is; some versions end the connection instead of an answer.
    const isRefused = isAnswer(error, Code.saslRequired) || (isKind(error, "lost") && !isTimeout(error));
    throw login.scheme === "sasl" && isRefused ? answerError(Code.authFailed) : error;
  }
}

function isTimeout(error: Error): boolean {
  return error.message.includes("no answer");
}

async function logInBySasl(connection: Connection, login: Login): Promise<void> {
  const { body } = await connection.call(requests.sasl(""));
  const challenge = body.text();
  // A server without SASL answers nothing and takes whatever is shown to it: a login that protects nothing.
  if (!challenge.includes("nonce=")) throw answerError(Code.invalidAcl);
  const proof = digestMd5(challenge, login, randomBytes(15).toString("hex"));
  await connection.call(requests.sasl(proof));
}

/** RFC 2831, as far as ZooKeeper's servers use it: `qop` auth, one round. */
function digestMd5(challenge: string, { username, password }: Login, cnonce: string): string {
  const field = (name: string): string => new RegExp(`(?:^|,)\\s*${name}="?([^",]*)`).exec(challenge)?.[1] ?? "";
  const realm = field("realm");
  const nonce = field("nonce");
  const uri = `${SERVICE}/${realm}`;
  const count = "00000001";
  const secret = Buffer.concat([md5(`${username}:${realm}:${password}`), Buffer.from(`:${nonce}:${cnonce}`)]);
  const what = md5(`AUTHENTICATE:${uri}`).toString("hex");
  const response = md5(`${md5(secret).toString("hex")}:${nonce}:${count}:${cnonce}:auth:${what}`).toString("hex");
  const fields = [
    `charset=utf-8,username="${quoted(username)}",realm="${realm}",nonce="${nonce}",nc=${count},cnonce="${cnonce}"`,
    `digest-uri="${uri}",maxbuf=65536,response=${response},qop=auth`,
  ];
  return fields.join(",");
}

function quoted(text: string): string {
  return text.replace(/["\\]/g, (char) => `\\${char}`);
}

function md5(value: string | Buffer): Buffer {
  return createHash("md5").update(value).digest();
}
