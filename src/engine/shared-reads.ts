import type { Connection, EngineResult, StatementCall } from "../backend/backend.ts";
import { bounded, type CallOptions, isBounded } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import type { EngineStatement } from "../base/engine-statement.ts";
import { FormDBError } from "../base/errors.ts";
import { atEndOfTurn } from "../base/loop-turn.ts";
import type { BoundStatement } from "../plan/plan.ts";
import type { Connections } from "./connections.ts";
import type { QueryTimes } from "./reporter.ts";

/** Calls that one statement answers at most. */
export const MAX_MERGED_CALLS = 100;
/** Statements that share one round trip of a connection at most. */
export const MAX_TOGETHER = 16;
/**
 * So long after it has asked for a connection a round trip takes no more calls: they would end with it when the time for a
 * connection is over, having waited next to none of it.
 */
const TAKES_CALLS_MS = 100;
/** While connections are idle, a round trip is given statements of at most this time in all. */
const TOGETHER_MS = 1;
/** What a call costs in a merged statement, as a part of what it costs by itself; roughly. */
const MERGED_SHARE = 0.25;
/**
 * From this many calls on, those that no other read is under way beside are sent in two halves: then the engine works on one
 * while the rows of the other are read here.
 */
const HALVE_AT = 8;
/** A statement is short if its fastest recent call took no longer: more is no look-up of a few documents. */
const SHORT_MS = 2;
/** And if none of its recent calls gave more rows. */
const FEW_ROWS = 100;
/** How many calls by themselves say so. */
const SAMPLES = 4;
/**
 * A merged statement that takes longer, and longer than as many short calls one after the other, is no gain: its calls go by
 * themselves again until they have shown to be short. A machine that is busy makes a large group take longer too.
 */
const LONG_GROUP_MS = 50;

interface Call {
  readonly values: readonly unknown[];
  readonly times: QueryTimes;
  /** Whether it is with the engine; else it waits to be sent. */
  isSent: boolean;
  /** Since when. */
  since: number;
  /** Whether its caller has been answered, as by the end of its time. */
  isOver: boolean;
  resolve(result: EngineResult): void;
  reject(error: unknown): void;
}

/** What sharing needs of its surroundings. */
export interface SharingParts {
  readonly connections: Connections;
  readonly clock: Clock;
  /** Told of each merged statement, with the number of its calls. */
  readonly report: (calls: number) => void;
  /** Whether to merge every call that can be, long ones and lone ones too. */
  readonly always: boolean;
}

/**
 * Small reads that are under way together share the way to the engine. Those of one shape become one statement, as reads
 * by id do (see `get.ts`); statements of different shapes share a connection's round trip, each to an end of its own. A
 * call that is alone waits for nobody. A round trip takes calls until it begins, so whoever begins to read after a write
 * was acknowledged sees that write.
 */
export class SharedReads {
  readonly #parts: SharingParts;
  readonly #lanes = new WeakMap<EngineStatement, ReadLane>();
  /** What still takes calls. */
  #gathering: Trip | undefined;
  #underWay = 0;
  #lastWasAlone = false;

  constructor(parts: SharingParts) {
    this.#parts = parts;
  }

  /** The lane of a statement; undefined for what is no read. */
  laneOf({ statement, merged }: BoundStatement): ReadLane | undefined {
    if (statement === undefined || merged === undefined) return undefined;
    let lane = this.#lanes.get(statement);
    if (lane === undefined) {
      lane = new ReadLane(this, statement, merged, this.#parts);
      this.#lanes.set(statement, lane);
    }
    return lane;
  }

  /** The last read was the only one of its turn, and none is under way: waiting for others would be in vain. */
  get callerIsAlone(): boolean {
    return this.#underWay === 0 && this.#lastWasAlone;
  }

  /** A read by itself begins. */
  begin(): void {
    this.#underWay++;
  }

  /** It has ended. */
  end(): void {
    this.#underWay--;
  }

  /** Takes a call for the next round trip. */
  add(lane: ReadLane, call: Call): void {
    let trip = this.#gathering;
    if (trip === undefined || this.#hasWaited(trip)) {
      trip = this.#gathering = new Trip();
      atEndOfTurn(() => this.#leave(trip!));
    }
    trip.add(lane, call);
  }

  #hasWaited({ asked }: Trip): boolean {
    return asked !== undefined && this.#parts.clock.now() - asked > TAKES_CALLS_MS;
  }

  /** What has gathered is sent in parts, on idle connections, if it is long. The last goes on to take calls until it has one. */
  #leave(trip: Trip): void {
    const least = this.#underWay === 0 && trip.calls >= HALVE_AT ? 2 : 1;
    const parts = Math.min(Math.max(least, trip.partsOf(TOGETHER_MS)), this.#parts.connections.read.idle);
    for (let left = parts; left > 1; left--) void this.#send(trip.takePart(left));
    void this.#send(trip);
  }

  async #send(trip: Trip): Promise<void> {
    const { connections, clock } = this.#parts;
    const asked = clock.now();
    trip.asked = asked;
    let sent = false;
    this.#underWay++;
    try {
      await connections.use("read", {}, async (connection) => {
        sent = true;
        // From here on it takes no more.
        if (this.#gathering === trip) this.#gathering = undefined;
        const { groups } = trip;
        if (groups.length > MAX_TOGETHER) void this.#send(new Trip(groups.splice(MAX_TOGETHER)));
        this.#lastWasAlone = groups.length === 1 && groups[0]!.calls.length === 1;
        await this.#exchange(connection, groups);
      });
    } catch (error) {
      // What was sent has told its callers of it.
      if (sent) return;
      if (this.#gathering === trip) this.#gathering = undefined;
      const now = clock.now();
      for (const group of trip.groups) {
        group.moveTo(false, now);
        group.fail(error);
      }
    } finally {
      this.#underWay--;
    }
  }

  /**
   * Runs the groups' statements on one connection. All callers are answered at its end: what they ask next then begins together
   * too. Throws what says that the connection is of no more use.
   */
  async #exchange(connection: Connection, groups: readonly Group[]): Promise<void> {
    const { clock } = this.#parts;
    const start = clock.now();
    for (const group of groups) group.moveTo(true, start);
    let ends: Ends;
    try {
      ends = await runAll(
        connection,
        groups.map((group) => group.statement()),
      );
    } catch (reason) {
      ends = groups.map(() => ({ status: "rejected", reason }));
    }
    const now = clock.now();
    const ms = now - start;
    const again: Group[] = [];
    let lost: unknown;
    for (let i = 0; i < groups.length; i++) {
      const group = groups[i]!;
      const end = ends[i]!;
      group.moveTo(false, now);
      if (end.status === "fulfilled") {
        group.answer(end.value, ms / groups.length);
      } else if (group.calls.length > 1 && isOfStatement(end.reason)) {
        again.push(...group.apart());
      } else {
        group.fail(end.reason);
        if (!isOfStatement(end.reason)) lost = end.reason;
      }
    }
    // One set of values that the engine refuses fails alone.
    if (again.length > 0) void this.#send(new Trip(again));
    if (lost !== undefined) throw lost;
  }
}

type Ends = readonly PromiseSettledResult<EngineResult>[];

async function runAll(connection: Connection, calls: readonly StatementCall[]): Promise<Ends> {
  if (calls.length > 1 && connection.executeTogether !== undefined) return connection.executeTogether(calls);
  const ends: PromiseSettledResult<EngineResult>[] = [];
  for (const { statement, values } of calls) {
    ends.push(...(await Promise.allSettled([connection.execute(statement, values, {})])));
  }
  return ends;
}

/** The calls of one statement: what was learned of them, and those that wait to be sent together. */
export class ReadLane {
  readonly statement: EngineStatement;
  readonly merged: () => EngineStatement | undefined;
  readonly #reads: SharedReads;
  readonly #parts: SharingParts;
  /** The last calls that went by themselves. */
  #recent: { readonly ms: number; readonly rows: number }[] = [];

  constructor(
    reads: SharedReads,
    statement: EngineStatement,
    merged: () => EngineStatement | undefined,
    parts: SharingParts,
  ) {
    this.#reads = reads;
    this.statement = statement;
    this.merged = merged;
    this.#parts = parts;
  }

  /** Whether a call that begins now is to be sent with others. */
  get isShared(): boolean {
    if (this.#parts.always && this.merged() !== undefined) return true;
    return this.#isShort && !this.#reads.callerIsAlone;
  }

  /** How many calls one statement answers at most. */
  get mostCalls(): number {
    return this.merged() === undefined ? 1 : MAX_MERGED_CALLS;
  }

  /** How long a call takes, in milliseconds. */
  get shortestMs(): number {
    let shortest = Infinity;
    for (const { ms } of this.#recent) if (ms < shortest) shortest = ms;
    return shortest;
  }

  get always(): boolean {
    return this.#parts.always;
  }

  /** A call by itself begins. */
  begin(): void {
    this.#reads.begin();
  }

  /** It has ended, after `ms` in the database, with so many rows; undefined if it failed. */
  end(ms: number, rows: number | undefined): void {
    this.#reads.end();
    if (rows !== undefined) this.learn(ms, rows);
  }

  /** Learns from one call. */
  learn(ms: number, rows: number): void {
    this.#recent.push({ ms, rows });
    if (this.#recent.length > SAMPLES) this.#recent.shift();
  }

  /** Learns from a merged statement. */
  learnOfGroup(ms: number, calls: number): void {
    if (ms > Math.max(LONG_GROUP_MS, calls * SHORT_MS)) this.#recent = [];
  }

  /** Counts a merged statement that was answered. */
  report(calls: number): void {
    this.#parts.report(calls);
  }

  /** Sends a call together with others. What ends it early, its signal or its time, ends no other. */
  join(values: readonly unknown[], options: CallOptions, times: QueryTimes): Promise<EngineResult> {
    const { clock } = this.#parts;
    let call: Call | undefined;
    const answered = new Promise<EngineResult>((resolve, reject) => {
      call = { values, times, isSent: false, since: clock.now(), isOver: false, resolve, reject };
      this.#reads.add(this, call);
    });
    if (!isBounded(options)) return answered;
    return bounded("The query", answered, clock, options).catch((error: unknown) => {
      call!.isOver = true;
      moveTo(call!, false, clock.now());
      throw error;
    });
  }

  get #isShort(): boolean {
    return (
      this.#recent.length === SAMPLES &&
      this.#recent.every(({ rows }) => rows <= FEW_ROWS) &&
      this.shortestMs <= SHORT_MS
    );
  }
}

/** The time since a call's last move was spent where it has been. */
function moveTo(call: Call, isSent: boolean, now: number): void {
  if (call.isSent) call.times.databaseMs += now - call.since;
  else call.times.waitMs += now - call.since;
  call.isSent = isSent;
  call.since = now;
}

/** Calls that one statement answers. */
class Group {
  readonly lane: ReadLane;
  readonly calls: Call[];
  readonly #mayMerge: boolean;

  constructor(lane: ReadLane, calls: Call[], mayMerge: boolean = true) {
    this.lane = lane;
    this.calls = calls;
    this.#mayMerge = mayMerge;
  }

  get #isMerged(): boolean {
    return this.calls.length > 1 || (this.lane.always && this.#mayMerge && this.lane.mostCalls > 1);
  }

  get estimateMs(): number {
    return this.lane.shortestMs * Math.max(1, this.calls.length * MERGED_SHARE);
  }

  statement(): StatementCall {
    const { lane, calls } = this;
    const { values } = calls[0]!;
    if (!this.#isMerged) return { statement: lane.statement, values };
    return {
      statement: lane.merged()!,
      values: values.map((_, i) => calls.map((call) => call.values[i])),
    };
  }

  /** Its calls go to the engine, or come back from it or from the queue. */
  moveTo(isSent: boolean, now: number): void {
    for (const call of this.calls) moveTo(call, isSent, now);
  }

  /** Gives each call its rows, after `ownMs` in the database. */
  answer(result: EngineResult, ownMs: number): void {
    const { lane, calls } = this;
    if (!this.#isMerged) {
      lane.learn(ownMs, result.rows.length);
      calls[0]!.resolve(result);
      return;
    }
    lane.learnOfGroup(ownMs, calls.length);
    if (calls.length > 1) lane.report(calls.length);
    const results = calls.map(() => [] as (readonly unknown[])[]);
    for (const row of result.rows) results[(row.at(-1) as number) - 1]!.push(row);
    for (let i = 0; i < calls.length; i++) {
      const rows = results[i]!;
      calls[i]!.resolve({ rows, rowCount: rows.length });
    }
  }

  fail(error: unknown): void {
    for (const { reject } of this.calls) reject(error);
  }

  /** A group for each call that is still waited for. */
  apart(): Group[] {
    return this.calls.filter(({ isOver }) => !isOver).map((call) => new Group(this.lane, [call], false));
  }
}

/** Groups that share one round trip of a connection. */
class Trip {
  readonly groups: Group[];
  /** When it asked for a connection. */
  asked: number | undefined;
  readonly #open = new Map<ReadLane, Group>();

  constructor(groups: Group[] = []) {
    this.groups = groups;
  }

  add(lane: ReadLane, call: Call): void {
    const group = this.#open.get(lane);
    if (group !== undefined && group.calls.length < lane.mostCalls) {
      group.calls.push(call);
      return;
    }
    const next = new Group(lane, [call]);
    this.#open.set(lane, next);
    this.groups.push(next);
  }

  get calls(): number {
    return this.groups.reduce((sum, { calls }) => sum + calls.length, 0);
  }

  /** How many trips of at most `ms` its groups make, as far as is known. */
  partsOf(ms: number): number {
    const all = this.groups.reduce((sum, { estimateMs }) => sum + estimateMs, 0);
    return Math.max(1, Math.min(this.groups.length, Math.ceil(all / ms)));
  }

  /** Takes one of `count` parts out: groups, or calls of the only one. */
  takePart(count: number): Trip {
    const { groups } = this;
    if (groups.length === 1) {
      const { lane, calls } = groups[0]!;
      return new Trip([new Group(lane, calls.splice(Math.ceil(calls.length - calls.length / count)))]);
    }
    const part = groups.splice(0, Math.floor(groups.length / count));
    for (const group of part) if (this.#open.get(group.lane) === group) this.#open.delete(group.lane);
    return new Trip(part);
  }
}

/** Whether the statement itself failed, and not the way to the engine. */
function isOfStatement(error: unknown): boolean {
  return (
    error instanceof FormDBError && error.sqlstate !== undefined && error.code !== "FORMDB_CONNECTION_LOST"
  );
}
