import type { Work } from "../../core/index.ts";
import { JobferryError } from "../../errors/index.ts";
import { Deferred } from "../../runtime/index.ts";
import { nextTurn } from "../../runtime/index.ts";
import { handlerFor, type HandlerTable, handlerTable } from "../inline-executor.ts";
import { outcomeOf } from "../outcome.ts";
import { ChildAttempt } from "./child-attempt.ts";
import { packError, unpackAsError, unpackError } from "./error-parcel.ts";
import { unpackJob } from "./job-parcel.ts";
import type { FromChild, JobParcel, ToChild } from "./messages.ts";
import { Outgoing } from "./outgoing.ts";
import type { ParentPort } from "./parent-port.ts";

/** Runs in a child: handlers for what the parent sends, results back. It knows nothing of queues and leases. */
export class ChildRunner {
  readonly #port: ParentPort;
  readonly #table: HandlerTable;
  readonly #running = new Map<number, ChildAttempt>();
  readonly #extensions = new Map<number, Deferred>();
  readonly #outgoing: Outgoing<FromChild>;
  #calls = 0;

  constructor(port: ParentPort, work: Work) {
    this.#port = port;
    this.#table = handlerTable(work);
    this.#outgoing = new Outgoing((notes) => this.#send(notes), nextTurn);
  }

  /** undefined: every name. */
  get names(): readonly string[] | undefined {
    return "byName" in this.#table ? [...this.#table.byName.keys()] : undefined;
  }

  /** Sends what has ended so far, for a child that is about to die. */
  flush(): void {
    this.#outgoing.flush();
  }

  received(note: Extract<ToChild, { kind: "run" | "abort" | "extended" }>): void {
    switch (note.kind) {
      case "run":
        return this.#run(note.n, note.job);
      case "abort":
        return this.#running.get(note.n)?.abort(unpackError(note.reason) as JobferryError);
      case "extended": {
        const asked = this.#extensions.get(note.call);
        this.#extensions.delete(note.call);
        if (note.error === undefined) asked?.resolve();
        else asked?.reject(unpackAsError(note.error));
      }
    }
  }

  #run(n: number, parcel: JobParcel): void {
    const context = new ChildAttempt((leaseMs) => this.#extend(n, leaseMs));
    this.#running.set(n, context);
    this.#call(parcel, context).then(
      (value) => this.#ended(n, { kind: "returned", n, value }),
      (error: unknown) => this.#ended(n, { kind: "threw", n, error: packError(error) }),
    );
  }

  async #call(parcel: JobParcel, context: ChildAttempt): Promise<unknown> {
    const handler = handlerFor(this.#table, parcel.name);
    if (handler === undefined)
      throw new JobferryError("HANDLER_MISSING", `The handler module has no route "${parcel.name}" any more.`);
    return handler(unpackJob(parcel), context);
  }

  #ended(n: number, note: FromChild): void {
    this.#running.delete(n);
    const outcome = note.kind === "returned" ? outcomeOf(note.value) : undefined;
    this.#outgoing.add(outcome === undefined ? note : { kind: "outcome", n, outcome });
  }

  #extend(n: number, leaseMs: number): Promise<void> {
    this.#calls += 1;
    const call = this.#calls;
    const asked = new Deferred();
    this.#extensions.set(call, asked);
    this.#outgoing.add({ kind: "extend", n, call, leaseMs });
    return asked.promise;
  }

  #send(notes: readonly FromChild[]): void {
    try {
      this.#port.send(notes);
    } catch (error) {
      const [note] = notes;
      if (notes.length > 1) for (const one of notes) this.#send([one]);
      // The work is done: to fail the attempt would do it again.
      else if (note?.kind === "returned") this.#port.send([{ kind: "uncloned", n: note.n, why: messageOf(error) }]);
      else throw error;
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
