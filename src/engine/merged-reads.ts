import type { Connection, EngineResult } from "../backend/backend.ts";
import { bounded, type CallOptions } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import type { EngineStatement } from "../base/engine-statement.ts";
import { FormDBError } from "../base/errors.ts";
import type { BoundStatement } from "../plan/plan.ts";
import type { Connections } from "./connections.ts";
import type { QueryTimes } from "./reporter.ts";

/** Calls that one statement answers at most. */
export const MAX_MERGED_CALLS = 100;
/**
 * From this many calls on, a group that no other statement of its shape is under way beside is sent in two halves: then the
 * engine works on one while the rows of the other are read here.
 */
const HALVE_AT = 40;
/** A statement is short if its fastest recent call took no longer: more is no look-up of a few documents. */
const SHORT_MS = 2;
/** And if none of its recent calls gave more rows. */
const FEW_ROWS = 100;
/** How many calls by themselves say so. */
const SAMPLES = 4;
/** A merged statement that takes longer is no gain: its calls go by themselves again until they have shown to be short. */
const LONG_GROUP_MS = 50;

interface Call {
  readonly values: readonly unknown[];
  readonly times: QueryTimes;
  resolve(result: EngineResult): void;
  reject(error: unknown): void;
}

/** What merging needs of its surroundings. */
export interface MergingParts {
  readonly connections: Connections;
  readonly clock: Clock;
  /** Told of each merged statement, with the number of its calls. */
  readonly report: (calls: number) => void;
  /** Whether to merge every call that can be, long ones and lone ones too. */
  readonly always: boolean;
}

/**
 * Small reads of one shape that are under way together become one statement, as reads by id do (see `get.ts`): a hundred
 * callers cost one round trip. A call that is alone waits for nobody. A group takes calls until its statement is
 * sent, so whoever begins to read after a write was acknowledged sees that write.
 */
export class MergedReads {
  readonly #parts: MergingParts;
  readonly #lanes = new WeakMap<EngineStatement, MergedLane>();

  constructor(parts: MergingParts) {
    this.#parts = parts;
  }

  /** The lane of a statement, if it has a merged form. */
  laneOf({ statement, merged }: BoundStatement): MergedLane | undefined {
    if (statement === undefined || merged === undefined) return undefined;
    let lane = this.#lanes.get(statement);
    if (lane === undefined) {
      lane = new MergedLane(statement, merged, this.#parts);
      this.#lanes.set(statement, lane);
    }
    return lane;
  }
}

/** The calls of one statement: what was learned of them, and those that wait to be sent together. */
export class MergedLane {
  readonly #statement: EngineStatement;
  readonly #merged: () => EngineStatement | undefined;
  readonly #parts: MergingParts;
  /** The last calls that went by themselves. */
  #recent: { readonly ms: number; readonly rows: number }[] = [];
  #gathering: Call[] | undefined;
  #underWay = 0;
  #lastWasAlone = false;

  constructor(statement: EngineStatement, merged: () => EngineStatement | undefined, parts: MergingParts) {
    this.#statement = statement;
    this.#merged = merged;
    this.#parts = parts;
  }

  /** Whether a call that begins now is to be sent with others. */
  get isShared(): boolean {
    if (!this.#parts.always && (!this.#isShort || (this.#underWay === 0 && this.#lastWasAlone))) return false;
    return this.#merged() !== undefined;
  }

  /** A call by itself begins. */
  begin(): void {
    this.#underWay++;
  }

  /** It has ended, after `ms` in the database, with so many rows; undefined if it failed. */
  end(ms: number, rows: number | undefined): void {
    this.#underWay--;
    if (rows === undefined) return;
    this.#learn(ms, rows);
  }

  #learn(ms: number, rows: number): void {
    this.#recent.push({ ms, rows });
    if (this.#recent.length > SAMPLES) this.#recent.shift();
  }

  /** Sends a call together with others. What ends it early, its signal or its time, ends no other. */
  join(values: readonly unknown[], options: CallOptions, times: QueryTimes): Promise<EngineResult> {
    const answered = new Promise<EngineResult>((resolve, reject) => {
      const call: Call = { values, times, resolve, reject };
      if (this.#gathering !== undefined && this.#gathering.length < MAX_MERGED_CALLS) {
        this.#gathering.push(call);
        return;
      }
      const group = [call];
      this.#gathering = group;
      // After the promise jobs that are due have run, so that awaiting callers of this tick are all in.
      DONE.then(() => process.nextTick(() => this.#leave(group)));
    });
    return bounded("The query", answered, this.#parts.clock, options);
  }

  get #isShort(): boolean {
    return (
      this.#recent.length === SAMPLES &&
      this.#recent.every(({ rows }) => rows <= FEW_ROWS) &&
      this.#recent.some(({ ms }) => ms <= SHORT_MS)
    );
  }

  #leave(group: Call[]): void {
    const half = this.#underWay === 0 && group.length >= HALVE_AT ? group.splice(group.length >> 1) : [];
    void this.#send(group);
    if (half.length > 0) void this.#send(half);
  }

  async #send(group: readonly Call[]): Promise<void> {
    const { connections, clock, report } = this.#parts;
    const asked = clock.now();
    let sent = false;
    this.#underWay++;
    try {
      await connections.use("read", {}, async (connection) => {
        sent = true;
        // From here on the group takes no more.
        if (this.#gathering === group) this.#gathering = undefined;
        this.#lastWasAlone = group.length === 1;
        const start = clock.now();
        for (const { times } of group) times.waitMs = start - asked;
        if (group.length > 1) report(group.length);
        const results = await this.#execute(connection, group);
        const ms = clock.now() - start;
        if (group.length === 1) this.#learn(ms, results[0]!.rows.length);
        else if (ms > LONG_GROUP_MS) this.#recent = [];
        for (let i = 0; i < group.length; i++) {
          group[i]!.times.databaseMs = ms;
          group[i]!.resolve(results[i]!);
        }
      });
    } catch (error) {
      if (!sent && this.#gathering === group) this.#gathering = undefined;
      if (sent && group.length > 1 && isOfValues(error)) await this.#oneByOne(group);
      else for (const { reject } of group) reject(error);
    } finally {
      this.#underWay--;
    }
  }

  async #execute(connection: Connection, group: readonly Call[]): Promise<readonly EngineResult[]> {
    if (group.length === 1 && !this.#parts.always)
      return [await connection.execute(this.#statement, group[0]!.values, {})];
    const columns = group[0]!.values.map((_, i) => group.map(({ values }) => values[i]));
    const { rows } = await connection.execute(this.#merged()!, columns, {});
    const results = group.map(() => [] as (readonly unknown[])[]);
    for (const row of rows) results[(row.at(-1) as number) - 1]!.push(row);
    return results.map((own) => ({ rows: own, rowCount: own.length }));
  }

  /** One set of values that the engine refuses fails alone. */
  async #oneByOne(group: readonly Call[]): Promise<void> {
    for (const { values, times, resolve, reject } of group) {
      const { connections, clock } = this.#parts;
      const asked = clock.now();
      try {
        resolve(
          await connections.use("read", {}, (connection) => {
            times.waitMs += clock.now() - asked;
            return connection.execute(this.#statement, values, {});
          }),
        );
      } catch (error) {
        reject(error);
      }
    }
  }
}

const DONE: Promise<void> = Promise.resolve();

/** Whether the statement itself failed, and not the way to the engine. */
function isOfValues(error: unknown): boolean {
  return (
    error instanceof FormDBError && error.sqlstate !== undefined && error.code !== "FORMDB_CONNECTION_LOST"
  );
}
