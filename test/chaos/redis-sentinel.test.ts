/** The short form on Redis behind Sentinel: a primary, a replica and three sentinels; `npm run chaos -- redis-sentinel 3m` is the long form. */
import { isServerAvailable } from "../servers/shared-server.ts";
import { onGroup } from "./server-cases.ts";

if (await isServerAvailable("redis-sentinel")) onGroup("redis-sentinel");
