import { join } from "node:path";
import { clusterCases } from "./cases.ts";

clusterCases("sqlite cluster", (folder) => ({ kind: "sqlite", path: join(folder, "cluster.db") }));
