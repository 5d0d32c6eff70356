import { defineConfig } from "vitest/config";

export default defineConfig({
  // The packages of this repository are tested as they are written, not as they were built.
  ssr: { resolve: { conditions: ["@formdb/source"] } },
  test: {
    include: ["test/**/*.test.ts", "cli/test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
