/**
 * Where everything lies, under the prefix that the store itself has. ROOT is "jobs"; no area of a cluster's has one of these names. Versions rise over an area (the first two segments of a key), and a listing stays inside one; so each bucket is an area,
 * and so is what only one process writes.
 *
 *   ROOT/q/QUEUE                          a queue: its name, whether it is paused
 *   ROOT/i/ID                             where the job was put last, so that an id is taken once
 *   ROOT/{r,d,f,c}/BUCKET                 marker of a bucket of ready, delayed, failed, completed jobs
 *   ROOT/{r,d,f,c}.BUCKET/ENTRY           a job in it; where it waits, with its size behind a "~"
 *   ROOT/p.OWNER/ID.CLAIM                 a job that this owner holds
 *   ROOT/n.OWNER/QUEUE.SLOT               counters that this owner alone writes; OWNER "base": those of owners that are gone
 *   ROOT/o/OWNER                          a process that lives: under its session
 *   ROOT/w/OWNER                          a process that lives, or left something behind
 *
 * A bucket of ready jobs is QUEUE.PRIORITY.TIME-OWNER, of delayed ones START.TIME-OWNER, of others TIME-OWNER. Only its owner puts jobs there.
 */
import { createHash } from "node:crypto";
import { MAX_PRIORITY } from "./limits.ts";

export type ShelfKind = "r" | "d" | "f" | "c";

const MAX_SEGMENT = 96;
export const BASE = "base";

/**
 * Any text as part of a segment, without dots. Long text is cut and told apart by its hash, behind a "~" that nothing else has; whoever reads it asks the value
 * for the name. So is text that UTF-8 does not hold (a lone surrogate).
 */
export function segmentOf(text: string): string {
  if (!text.isWellFormed()) return `~${createHash("sha256").update(text, "utf16le").digest("base64url")}`;
  const escaped = encodeURIComponent(text).replace(
    /[!'()*.~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  if (escaped.length <= MAX_SEGMENT) return escaped;
  return `${escaped.slice(0, 24)}~${createHash("sha256").update(text).digest("base64url")}`;
}

export const padded = (value: number, digits: number): string => value.toString(36).padStart(digits, "0");

export class Keys {
  readonly root: string = "jobs";
  readonly queues: string = `${this.root}/q/`;
  readonly living: string = `${this.root}/o/`;
  readonly owners: string = `${this.root}/w/`;

  queue(name: string): string {
    return `${this.queues}${segmentOf(name)}`;
  }

  id(id: string): string {
    return `${this.root}/i/${segmentOf(id)}`;
  }

  alive(owner: string): string {
    return `${this.living}${owner}`;
  }

  owner(owner: string): string {
    return `${this.owners}${owner}`;
  }

  /** All that this owner holds. */
  heldBy(owner: string): string {
    return `${this.root}/p.${owner}/`;
  }

  /** One claim of a job; `heldAny` begins all of them. */
  held(owner: string, id: string, claim: number): string {
    return `${this.heldAny(owner, id)}${claim.toString(36)}`;
  }

  heldAny(owner: string, id: string): string {
    return `${this.heldBy(owner)}${segmentOf(id)}.`;
  }

  countersOf(owner: string): string {
    return `${this.root}/n.${owner}/`;
  }

  counter(owner: string, queue: string, slot: number): string {
    return `${this.countersOf(owner)}${segmentOf(queue)}.${slot}`;
  }

  markers(kind: ShelfKind): string {
    return `${this.root}/${kind}/`;
  }

  marker(kind: ShelfKind, bucket: string): string {
    return `${this.root}/${kind}/${bucket}`;
  }

  bucket(kind: ShelfKind, bucket: string): string {
    return `${this.root}/${kind}.${bucket}/`;
  }

  /** The bucket of a marker's or an entry's key. */
  bucketOf(key: string): string {
    const from = key.indexOf("/") + 3;
    const end = key.indexOf("/", from);
    return key.slice(from, end === -1 ? undefined : end);
  }

  /** Whether it is a job's in a bucket. */
  isEntry(key: string): boolean {
    return /^jobs\/[rdfc]\.[\w.~%-]+\/[\w.~%-]+$/.test(key);
  }

  kindOf(key: string): ShelfKind {
    return key.charAt(key.indexOf("/") + 1) as ShelfKind;
  }
}

/** The end of the name of a job that waits. */
export const sized = (bytes: number): string => `~${bytes.toString(36)}`;

/**
 * What a job that lies there adds to the bytes that wait. Its key tells what was counted when it was put there, whatever has become of its value since; what
 * Jobferry put before it counted bytes adds nothing.
 */
export function waitingBytes(key: string): number {
  const size = /^jobs\/[rd]\.[^/]+\/[0-9a-z.]+~([0-9a-z]{1,8})$/.exec(key)?.[1];
  return size === undefined ? 0 : Number.parseInt(size, 36);
}

/** Higher priorities first. */
export function readyGroup(queue: string, priority: number): string {
  return `${segmentOf(queue)}.${(MAX_PRIORITY - priority).toString(16).padStart(8, "0")}`;
}

export const segmentOfReadyBucket = (bucket: string): string => bucket.slice(0, bucket.indexOf("."));
/** When it was begun. */
export const timeOfBucket = (bucket: string): number =>
  Number.parseInt(bucket.slice(bucket.lastIndexOf(".") + 1, bucket.indexOf("-")), 36);
/** Of a bucket's marker. */
export const ownerOfBucket = (marker: string): string =>
  marker.slice(marker.lastIndexOf(".") + 1).replace(/^[^-]*-/, "");
/** Queue and priority. */
export const groupOfReadyBucket = (bucket: string): string => bucket.slice(0, bucket.indexOf(".") + 9);
