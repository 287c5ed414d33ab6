/** `native`: the backend does it. `emulated`: the driver does it with the same result. `unsupported`: asking for it is an UnsupportedError. */
export type Support = "native" | "emulated" | "unsupported";

/** What a resolved push survives, weakest first: `process` no SIGKILL of the process that stores it (where that is a server, its clients may die), `serverCrash` SIGKILL of whoever stores it, `power` loss of power, `quorum` loss of a minority. */
export type Durability = "unknown" | "process" | "serverCrash" | "power" | "quorum";

export type CountQuality = "exact" | "approximate" | "none";

/** What a driver honestly gives, with its limits in numbers. The conformance suite proves every cell; the capability table is generated from it. Times are milliseconds, sizes bytes. */
export type Capabilities = Readonly<{
  /** Found by `open()`, not promised beforehand. */
  durability: Durability;
  /** Whether jobs can be reached from other processes. */
  shared: boolean;
  /** Whether pushing an id that is still kept changes nothing and answers `exists`. */
  pushById: boolean;
  attempts: "exact" | "approximate";
  /** `confirmed`: stored before `ok`. `sent`: a killed server can bring the job back. */
  finish: "confirmed" | "sent";
  /** `byCopy`: a crash during a release can leave the job twice. */
  release: "native" | "byCopy";
  /** Whether an attempt can be given back when a job that never started is handed back. */
  refund: boolean;
  priority: Readonly<{ support: Support; order: "strict" | "approximate"; min: number; max: number }>;
  /** Whether first deliveries of one producer keep their order inside a priority. */
  fifo: boolean;
  /** `precisionMs`: most lateness while the backend is not busy. */
  delay: Readonly<{ support: Support; precisionMs: number; maxMs: number }>;
  /** `deadline`: a lease ends by time. `connection`: it ends with the connection or session that took it. */
  lease: Readonly<{ ends: "deadline" | "connection"; grainMs: number; minMs: number; extend: Support }>;
  /**
   * `atomic`: pushes of at most so many jobs are stored all or none; 1 means each for itself. `roundTrip`: a batch of one takes nearly as long as one of
   * many, and the answer comes from outside the process; then a batch waits for producers that were answered just now and push again.
   */
  batch: Readonly<{ atomic: number; maxItems: number; maxBytes: number; roundTrip?: boolean }>;
  payload: Readonly<{ maxBytes: number }>;
  /** How much may wait in the whole store, by default or as its options say: a push beyond is STORE_FULL until workers have made room. undefined: as much as there is room for. */
  backlog?: Readonly<{ maxJobs: number; maxBytes: number }>;
  /** `notify`: consumers are woken. `pollMs`: how long a wake-up may be missed at most. */
  wakeup: Readonly<{ kind: "notify" | "poll"; pollMs: number }>;
  pause: Readonly<{ support: Support; lagMs: number }>;
  clear: Readonly<{ support: Support; counts: boolean }>;
  stats: Readonly<Record<"pending" | "delayed" | "reserved" | "failed" | "completed", CountQuality>>;
  /** List, look up, search and remove single jobs. `resting`: only those that rest in a second store: failed ones, and delayed ones beyond the backend's own delays. */
  records: boolean | "resting";
  /** Whether failed jobs are kept, with or without `records`. */
  failedJobs: boolean;
  /** Push inside the caller's own transaction. */
  transactions: boolean;
  /** Whether a CoordinationStore lives beside the jobs. */
  coordination: boolean;
}>;
