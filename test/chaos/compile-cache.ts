import { fileURLToPath } from "node:url";

const COMPILED = fileURLToPath(new URL("../../node_modules/.cache/chaos-tests", import.meta.url));

/** Of the processes of a run: types are stripped and code is compiled once, and not at each start of hundreds. They fill it themselves (`openQueue`). */
export const childEnv = (): NodeJS.ProcessEnv => ({ ...process.env, NODE_COMPILE_CACHE: COMPILED });
