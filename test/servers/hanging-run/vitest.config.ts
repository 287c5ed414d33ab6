import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = fileURLToPath(new URL(".", import.meta.url));

export default defineConfig({
  test: {
    globalSetup: fileURLToPath(new URL("../global-setup.ts", import.meta.url)),
    include: [`${here}*.hanging.ts`],
    pool: "forks",
    testTimeout: 600_000,
  },
});
