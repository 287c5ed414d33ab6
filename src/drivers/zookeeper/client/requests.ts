/** Requests in the server's encoding. Their numbers and layouts are those of ZooKeeper's `zookeeper.jute`. */
import { JuteWriter } from "./jute.ts";

const Opcode = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  getAcl: 6,
  getChildren: 8,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  check: 13,
  multi: 14,
  create2: 15,
  removeWatches: 18,
  createContainer: 19,
  createTtl: 21,
  multiRead: 22,
  auth: 100,
  sasl: 102,
  addWatch: 106,
  closeSession: -11,
} as const;

const PING_XID = -2;
const AUTH_XID = -4;
/** Any version of a node. */
export const ANY = -1;

export type Acl = Readonly<{ permissions: number; scheme: string; id: string }>;
export const EVERYBODY: readonly Acl[] = [{ permissions: 31, scheme: "world", id: "anyone" }];
/** Whoever this connection is logged in as. */
export const CREATOR: readonly Acl[] = [{ permissions: 31, scheme: "auth", id: "" }];

/** `ttl`: goes `ttlMs` after its last change once it has no children; `container`: when its last child has gone. The server looks once a minute. */
export type CreateMode = "persistent" | "ephemeral" | "container" | Readonly<{ ttlMs: number }>;

const FLAGS = { persistent: 0, ephemeral: 1, container: 4, ttl: 5 } as const;

export type Create = Readonly<{ op: "create"; path: string; data: Uint8Array; mode: CreateMode; acl: readonly Acl[] }>;

/** What a transaction can hold. */
export type WriteOp =
  | Create
  | Readonly<{ op: "delete"; path: string; version: number }>
  | Readonly<{ op: "setData"; path: string; data: Uint8Array; version: number }>
  | Readonly<{ op: "check"; path: string; version: number }>;

export type ReadOp = Readonly<{ op: "getData" | "getChildren"; path: string }>;

/** `path`: for messages. */
export type Request = Readonly<{ opcode: number; xid?: number; path?: string; body: (out: JuteWriter) => void }>;

export const requests = {
  write: (op: WriteOp): Request => ({ opcode: opcodeOf(op), path: op.path, body: (out) => writeOp(out, op) }),

  exists: (path: string): Request => ({ opcode: Opcode.exists, path, body: (out) => out.text(path).bool(false) }),

  getData: (path: string): Request => ({ opcode: Opcode.getData, path, body: (out) => out.text(path).bool(false) }),

  getAcl: (path: string): Request => ({ opcode: Opcode.getAcl, path, body: (out) => out.text(path) }),

  getChildren2: (path: string): Request => ({
    opcode: Opcode.getChildren2,
    path,
    body: (out) => out.text(path).bool(false),
  }),

  /** What is read after it on this connection is at least as new as what any server had confirmed before. */
  sync: (path: string): Request => ({ opcode: Opcode.sync, path, body: (out) => out.text(path) }),

  /** All of them or none. It is confirmed by a quorum also when nothing changes. */
  multi: (ops: readonly WriteOp[]): Request => ({
    opcode: Opcode.multi,
    body: (out) => {
      for (const op of ops) {
        out.int(opcodeOf(op)).bool(false).int(-1);
        writeOp(out, op);
      }
      out.int(-1).bool(true).int(-1);
    },
  }),

  /** Of one moment: a server makes no change while it answers. */
  multiRead: (ops: readonly ReadOp[]): Request => ({
    opcode: Opcode.multiRead,
    body: (out) => {
      for (const { op, path } of ops) out.int(Opcode[op]).bool(false).int(-1).text(path).bool(false);
      out.int(-1).bool(true).int(-1);
    },
  }),

  /** Tells every change of the node, or of all below it too, until the connection ends; the node need not be there. */
  addWatch: (path: string, scope: "node" | "subtree"): Request => ({
    opcode: Opcode.addWatch,
    path,
    body: (out) => out.text(path).int(scope === "node" ? 0 : 1),
  }),

  removeWatches: (path: string): Request => ({
    opcode: Opcode.removeWatches,
    path,
    body: (out) => out.text(path).int(3),
  }),

  ping: { opcode: Opcode.ping, xid: PING_XID, body: () => undefined } as Request,

  /** Its answer comes under a number of its own. */
  auth: (scheme: string, secret: string): Request => ({
    opcode: Opcode.auth,
    xid: AUTH_XID,
    body: (out) => out.int(0).text(scheme).text(secret),
  }),

  sasl: (token: string): Request => ({ opcode: Opcode.sasl, body: (out) => out.text(token) }),

  closeSession: { opcode: Opcode.closeSession, body: () => undefined } as Request,
};

/** With its length in front, as it is sent. */
export function frameOf({ opcode, body }: Request, xid: number): Buffer {
  const out = new JuteWriter().int(0).int(xid).int(opcode);
  body(out);
  return out.patchInt(0, out.length - 4).finish();
}

export type Greeting = Readonly<{
  lastZxid: bigint;
  timeoutMs: number;
  session: Readonly<{ id: bigint; password: Uint8Array }>;
}>;

export function greetingFrame({ lastZxid, timeoutMs, session }: Greeting): Buffer {
  const out = new JuteWriter().int(0).int(0).long(lastZxid).int(timeoutMs).long(session.id).bytes(session.password);
  // Not to a server that reads only.
  out.bool(false);
  return out.patchInt(0, out.length - 4).finish();
}

function opcodeOf(op: WriteOp): number {
  if (op.op !== "create") return Opcode[op.op];
  if (typeof op.mode === "object") return Opcode.createTtl;
  return op.mode === "container" ? Opcode.createContainer : Opcode.create2;
}

function writeOp(out: JuteWriter, op: WriteOp): void {
  out.text(op.path);
  if (op.op === "create") return writeCreate(out, op);
  if (op.op === "setData") out.bytes(op.data);
  out.int(op.version);
}

function writeCreate(out: JuteWriter, { data, mode, acl }: Create): void {
  out.bytes(data).int(acl.length);
  for (const { permissions, scheme, id } of acl) out.int(permissions).text(scheme).text(id);
  if (typeof mode === "object") out.int(FLAGS.ttl).long(BigInt(mode.ttlMs));
  else out.int(FLAGS[mode]);
}
