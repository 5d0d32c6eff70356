import { createHistogram, type RecordableHistogram } from "node:perf_hooks";

/** One piece of work; resolves to how many operations it was. */
export type Work = () => Promise<number>;

/** What a measurement found: calls are what the latencies are of, operations what the rate is of. */
export interface Measurement {
  readonly operations: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Measurements start with a part of their time that does not count. */
const WARM_UP_SHARE = 0.2;

/**
 * Runs work over and over for some time, from so many callers at once, each of which waits for its own calls
 * (a closed loop). Latencies are from call to result, waiting for a connection included.
 */
export async function measure(
  work: Work,
  callers: number,
  durationMs: number,
  signal: AbortSignal,
): Promise<Measurement> {
  await run(work, callers, durationMs * WARM_UP_SHARE, signal, undefined);
  const latencies = createHistogram();
  const started = performance.now();
  const operations = await run(work, callers, durationMs, signal, latencies);
  return {
    operations,
    elapsedMs: performance.now() - started,
    p50Ms: latencies.percentile(50) / 1e6,
    p99Ms: latencies.percentile(99) / 1e6,
  };
}

async function run(
  work: Work,
  callers: number,
  durationMs: number,
  signal: AbortSignal,
  latencies: RecordableHistogram | undefined,
): Promise<number> {
  const until = performance.now() + durationMs;
  let operations = 0;
  const caller = async (): Promise<void> => {
    while (!signal.aborted && performance.now() < until) {
      const called = process.hrtime.bigint();
      const done = await work();
      operations += done;
      const nanoseconds = process.hrtime.bigint() - called;
      latencies?.record(nanoseconds > 0n ? nanoseconds : 1n);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  signal.throwIfAborted();
  return operations;
}
