/**
 * Plans must not depend on statistics, which are wrong for a queue that was empty a second ago: every statement walks an index. Ruling scans
 * out makes the others look so dear that they would be compiled first (jit), for 100 ms.
 */
export const PLANS: string =
  "LANGUAGE plpgsql SET jit = off SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off";
