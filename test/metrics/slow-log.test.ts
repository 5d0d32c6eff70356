import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { SlowLog, type SlowLogOptions, type SlowQueryEntry } from "../../src/metrics/slow-log.ts";
import { endedQuery } from "../support/ended-query.ts";
import { useFolderEach } from "../support/hooks.ts";
import { ManualClock } from "../support/manual-clock.ts";

const folder = useFolderEach();

const query = endedQuery({
  operation: "select",
  totalMs: 250,
  waitMs: 10,
  databaseMs: 200,
  decodeMs: 30,
  rows: 3,
  shape: "SELECT * FROM users WHERE name = ?",
});

function makeLog(options: Partial<SlowLogOptions> = {}): {
  log: SlowLog;
  written: SlowQueryEntry[];
  clock: ManualClock;
} {
  const written: SlowQueryEntry[] = [];
  const clock = new ManualClock(Date.UTC(2026, 1, 3));
  const log = new SlowLog({ thresholdMs: 100, clock, write: (entry) => written.push(entry), ...options });
  return { log, written, clock };
}

/** A process that a shell starts, which reports two slow queries, and says a while later that it lives. */
function reporting(shell: string): SpawnSyncReturns<string> {
  const source = new URL("../../src/metrics/slow-log.ts", import.meta.url).href;
  const script = `
    const { SlowLog } = await import(${JSON.stringify(source)});
    const log = new SlowLog({ thresholdMs: 0 });
    for (let i = 0; i < 2; i++) {
      log.report(${JSON.stringify({ ...query, parameters: ["secret"] })});
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    process.stdout.write("alive");`;
  const node = [
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    "--input-type=module",
    "-e",
    script,
  ];
  return spawnSync("sh", ["-c", shell, ...node], { encoding: "utf8", cwd: folder() });
}

describe("SlowLog", () => {
  test("writes what a slow query did, with its parameters described and not shown", () => {
    const { log, written } = makeLog();
    log.report({
      ...query,
      parameters: ["secret", 42, null, [1, 2], { password: "hidden" }, true, undefined],
    });
    expect(written).toEqual([
      {
        event: "formdb.slow_query",
        time: "2026-02-03T00:00:00.000Z",
        ...query,
        parameters: ["string(6)", "number", "null", "array(2)", "object", "boolean", "undefined"],
        suppressed: 0,
      },
    ]);
    log.report({ ...query, parameters: { name: "secret" } });
    expect(written[1]!.parameters).toEqual({ name: "string(6)" });
    expect(JSON.stringify(written)).not.toMatch(/secret|hidden|42/);
  });

  test("shows parameters, or leaves them out, when told to", () => {
    const full = makeLog({ parameters: "full" });
    full.log.report({ ...query, parameters: ["secret"] });
    expect(full.written[0]!.parameters).toEqual(["secret"]);
    const none = makeLog({ parameters: "none" });
    none.log.report({ ...query, parameters: ["secret"] });
    expect(none.written[0]).not.toHaveProperty("parameters");
  });

  test("does not write quick queries", () => {
    const { log, written } = makeLog();
    expect(log.report({ ...query, totalMs: 99.9 })).toBe(true);
    expect(log.report({ ...query, totalMs: Number.NaN })).toBe(true);
    expect(written).toEqual([]);
    log.report({ ...query, totalMs: 100 });
    expect(written).toHaveLength(1);
  });

  test("writes so many a second and says how many it left out", async () => {
    const { log, written, clock } = makeLog({ maxPerSecond: 2 });
    expect(Array.from({ length: 5 }, () => log.report(query))).toEqual([true, true, false, false, false]);
    await clock.advance(499);
    expect(log.report(query)).toBe(false);
    await clock.advance(1);
    expect(log.report(query)).toBe(true);
    expect(written.map(({ suppressed }) => suppressed)).toEqual([0, 0, 4]);
    await clock.advance(60_000);
    expect(Array.from({ length: 3 }, () => log.report(query))).toEqual([true, true, false]);
  });

  test("remembers the last ones", async () => {
    const { log } = makeLog({ keep: 2, maxPerSecond: 10 });
    for (const shape of ["a", "b", "c"]) log.report({ ...query, shape });
    expect(log.entries().map(({ shape }) => shape)).toEqual(["b", "c"]);
  });

  test("cuts long shapes and survives a writer that throws", () => {
    const { log } = makeLog({
      write: () => {
        throw new Error("disk full");
      },
    });
    expect(log.report({ ...query, shape: "x".repeat(9_999) })).toBe(true);
    expect(log.entries()[0]!.shape).toHaveLength(2_001);
  });

  test("writes a line of JSON to standard error unless told otherwise", () => {
    const { stderr } = reporting('exec "$0" "$@"');
    expect(
      stderr
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { shape: query.shape, parameters: ["string(6)"] },
      { shape: query.shape, parameters: ["string(6)"] },
    ]);
  });

  test.skipIf(process.platform === "win32")(
    "does not end a process whose standard error is a file that can't grow, as on a full disk",
    () => {
      const { status, stdout } = reporting('trap "" XFSZ; ulimit -f 0; exec "$0" "$@" 2>full');
      expect({ status, stdout }).toEqual({ status: 0, stdout: "alive" });
    },
  );

  test("refuses options that can't be", () => {
    expect(() => new SlowLog({ thresholdMs: -1 })).toThrow(/thresholdMs/);
    expect(() => new SlowLog({ thresholdMs: 1, parameters: "some" as never })).toThrow(/redacted/);
  });
});

test("times are written to the microsecond", () => {
  const log = new SlowLog({ thresholdMs: 100, write: () => {} });
  log.report({ ...query, totalMs: 104.50790599999993, waitMs: 0.0696419999999307 });
  expect(log.entries()).toMatchObject([{ totalMs: 104.508, waitMs: 0.07 }]);
});
