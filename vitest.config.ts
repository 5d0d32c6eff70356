import { defineConfig } from "vitest/config";

export default defineConfig({
  // The packages of this repository are tested as they are written, not as they were built.
  ssr: { resolve: { conditions: ["@formdb/source"] } },
  test: {
    include: ["test/**/*.test.ts", "cli/test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    // Worker threads run TypeScript from source here, and each has WebAssembly for that. With what V8 makes of its calls after
    // the thousandth (Runtime_TierUpWasmToJSWrapper, in Node 24.21) it aborts now and then: "Check failed: jit_page.has_value()".
    execArgv: ["--wasm-wrapper-tiering-budget=2000000000"],
  },
});
