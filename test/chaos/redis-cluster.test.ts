/** The short form on a Redis Cluster of three primaries with a replica each; `npm run chaos -- redis-cluster 3m` is the long form. */
import { isServerAvailable } from "../servers/shared-server.ts";
import { onGroup } from "./server-cases.ts";

if (await isServerAvailable("redis-cluster")) onGroup("redis-cluster");
