import { afterAll, expect, it, vi } from "vitest";
import { batchInsert, flush, globalProcessor, make } from "../../src/batch.ts";

/** No module of the metrics or of the engine is loaded when this file starts: each test file has modules of its own. */

vi.stubEnv("FORMDB_URL", "sqlite::memory:");
afterAll(() => vi.unstubAllEnvs());

it("what was batched while no metrics were loaded is in the metrics, each event once and in its order", async () => {
  batchInsert("c", [{ id: "1" }, { id: "1" }, { id: "2" }]);
  await flush(globalProcessor);
  const { exportPrometheus } = await import("../../src/metrics.ts");
  const text = exportPrometheus();
  expect(text).toContain('formdb_batch_operations_total{kind="insert",outcome="applied"} 2');
  expect(text).toContain('formdb_batch_operations_total{kind="insert",outcome="rejected"} 1');
  expect(text).toMatch(/^formdb_batch_flush_rows_sum 3$/m);
  expect(text).toMatch(/^formdb_batch_flushes_in_flight 0$/m);
  expect(text).toMatch(/^formdb_errors_total 1$/m);
});

it("what is queued shows in the metrics at once", async () => {
  const { exportPrometheus } = await import("../../src/metrics.ts");
  batchInsert("c", [{ id: "3" }, { id: "4" }]);
  expect(exportPrometheus()).toMatch(/^formdb_batch_size [12]$/m);
  await flush(globalProcessor);
  expect(exportPrometheus()).toMatch(/^formdb_batch_size 0$/m);
});

it("a processor of one's own writes to the default database and reports to its metrics", async () => {
  const processor = make({ maxBatchSize: 10 });
  processor.insert("c", [{ id: "5" }]);
  expect(await processor.flush()).toMatchObject({ successful: 1, failed: 0 });
  await processor.close();
  const { exportPrometheus } = await import("../../src/metrics.ts");
  expect(exportPrometheus()).toContain('formdb_batch_operations_total{kind="insert",outcome="applied"} 5');
});
