import type { WriteKind } from "../base/observer.ts";
import { coalesce } from "./coalesce.ts";
import type { Coalesce } from "./group.ts";
import { Lane, type Operation } from "./operation.ts";
import { Tails } from "./tails.ts";

/** Operations that were taken stay in a lane's array until there are this many of them. */
const COMPACT_AT = 1_024;

type Lanes = Readonly<Record<WriteKind, Lane>> & {
  /** By the form of changes; one that is empty is dropped. */
  readonly changes: Map<string, Lane>;
};

/**
 * Operations that wait to be sent, and the one place that moves an operation from state to state. Those of one id
 * form a chain of which only the first can be taken; the next becomes ready when it is settled. So the operations
 * of an id keep their order across kinds and are never under way at once, and the ids of a group are distinct,
 * whatever is sent side by side. All steps take constant time.
 *
 * If operations of one id can be sent as one (see `coalesce`), the first takes the others out of the chain with it.
 */
export class WriteQueue {
  readonly #coalesce: (collection: string) => Coalesce;
  readonly #partition: ((id: string) => number) | undefined;
  /** By collection, and by the partition of the ids if there are partitions. */
  readonly #lanes: Map<string, Lanes> = new Map();
  readonly #tails: Tails = new Tails();
  /** Lanes with ready operations, in the order of their turns. */
  readonly #active: Set<Lane> = new Set();
  /** Operations that are queued and not sent, blocked ones included. */
  count = 0;
  bytes = 0;
  #ready = 0;
  #order = 0;
  /** Operations up to this order must be sent without waiting for more. */
  #dueOrder = 0;
  /** How many queued operations that is. */
  due = 0;

  constructor(mode: (collection: string) => Coalesce, partition?: (id: string) => number) {
    this.#coalesce = mode;
    this.#partition = partition;
  }

  /** How many could be taken now. */
  get ready(): number {
    return this.#ready;
  }

  add(operation: Operation): void {
    operation.order = ++this.#order;
    this.count++;
    this.bytes += operation.bytes;
    const tail = this.#tails.put(operation);
    if (tail === undefined) {
      this.#makeReady(operation, this.#lane(operation.kind, operation));
    } else {
      tail.next = operation;
      operation.state = "blocked";
    }
  }

  /** Makes all that is queued due. */
  makeDue(): void {
    this.#dueOrder = this.#order;
    this.due = this.count;
  }

  /** The next group: the lane whose turn it is gives what fits, at least one operation. */
  take(sizeLimit: number, bytesLimit: number): Operation[] {
    for (const lane of this.#active) {
      const taken: Operation[] = [];
      let bytes = 0;
      let limit = sizeLimit;
      while (lane.head < lane.ready.length) {
        const operation = lane.ready[lane.head]!;
        if (operation.state === "ready") {
          if (taken.length === 0) limit = Math.max(limit, operation.groupLimit);
          if (taken.length >= limit || (taken.length > 0 && bytes + operation.bytes > bytesLimit)) break;
          if (this.#isFor(lane, operation, bytesLimit - bytes)) {
            this.#send(operation);
            bytes += operation.merged?.bytes ?? operation.bytes;
            taken.push(operation);
          }
        }
        lane.head++;
      }
      this.#active.delete(lane);
      compact(lane);
      if (lane.ready.length > 0) this.#active.add(lane);
      else lane.drop?.();
      if (taken.length > 0) return taken;
    }
    return [];
  }

  /** Puts the parts of a merged operation back, to be sent one by one. */
  putBack(first: Operation): void {
    const { parts } = first.merged!;
    first.merged = undefined;
    for (const part of parts) {
      part.alone = true;
      part.state = "blocked";
      this.count++;
      this.bytes += part.bytes;
    }
    this.#makeReady(first, this.#lane(first.kind, first));
    this.makeDue();
  }

  /** Says of operations that were sent, and certainly not applied, that they wait to be sent again. */
  awaitResending(operations: readonly Operation[]): void {
    for (const operation of operations) operation.state = "resending";
  }

  /** Says of such operations that they are sent again. */
  resend(operations: readonly Operation[]): void {
    for (const operation of operations) operation.state = "sent";
  }

  /** Takes an operation out for good, wherever it is: it is settled. The next of its id, if any, can go. */
  remove(operation: Operation): void {
    const { state } = operation;
    operation.state = "settled";
    switch (state) {
      case "new":
      case "settled":
        return;
      case "blocked":
        // It is passed over when its turn comes.
        this.#leave(operation);
        return;
      case "ready":
        this.#ready--;
        this.#leave(operation);
        this.#release(operation);
        return;
      case "sent":
      case "resending":
        this.#release(operation);
        return;
      default:
        state satisfies never;
    }
  }

  #release(operation: Operation): void {
    let last = operation;
    let next = operation.next;
    while (next !== undefined && next.state === "settled") {
      last = next;
      next = next.next;
    }
    // One that was sent together with this one is settled in its turn.
    if (next?.state === "sent" || next?.state === "resending") return;
    if (next !== undefined) this.#makeReady(next, this.#lane(next.kind, next));
    else this.#tails.delete(last);
  }

  /** All that is queued, what waits behind operations that were `sent` included, in the order in which it was added. */
  list(sent: readonly Operation[]): Operation[] {
    const all: Operation[] = [];
    this.#eachQueued(sent, (operation) => all.push(operation));
    return all.sort((a, b) => a.order - b.order);
  }

  /** When the oldest queued operation was queued, in the clock's milliseconds, at the cost of a look at each. */
  oldestQueuedAtMs(sent: readonly Operation[]): number | undefined {
    let oldest: number | undefined;
    this.#eachQueued(sent, ({ queuedAtMs }) => {
      if (oldest === undefined || queuedAtMs < oldest) oldest = queuedAtMs;
    });
    return oldest;
  }

  /** Each once: of several that were sent and follow one another, only the last is followed by what is queued. */
  #eachQueued(sent: readonly Operation[], visit: (operation: Operation) => void): void {
    for (const operation of sent) {
      if (operation.state === "sent" || operation.state === "resending") visitBehind(operation, visit);
    }
    for (const { ready, head } of this.#active) {
      for (let i = head; i < ready.length; i++) {
        const operation = ready[i]!;
        // What was taken back stays in its lane until its turn comes.
        if (operation.state !== "ready") continue;
        visit(operation);
        visitBehind(operation, visit);
      }
    }
  }

  #makeReady(operation: Operation, lane: Lane): void {
    operation.state = "ready";
    this.#ready++;
    if (lane.ready.length === 0) this.#active.add(lane);
    lane.ready.push(operation);
  }

  /** Merges what waits behind an operation. What comes out may be of another kind: then it goes to that kind's lane. */
  #isFor(lane: Lane, operation: Operation, room: number): boolean {
    if (operation.next !== undefined)
      operation.merged = coalesce(operation, this.#coalesce(lane.collection), room);
    const kind = operation.merged?.kind ?? operation.kind;
    if (kind === lane.kind) return true;
    operation.merged = undefined;
    this.#ready--;
    this.#makeReady(operation, this.#lane(kind, operation));
    return false;
  }

  #send(operation: Operation): void {
    this.#ready--;
    this.#leave(operation);
    operation.state = "sent";
    if (operation.merged === undefined) return;
    for (const part of operation.merged.parts) {
      if (part === operation) continue;
      this.#leave(part);
      part.state = "sent";
    }
  }

  #leave(operation: Operation): void {
    this.count--;
    this.bytes -= operation.bytes;
    if (operation.order <= this.#dueOrder) this.due--;
  }

  #lane(kind: WriteKind, { collection, id, change }: Operation): Lane {
    const lanes = this.#lanesOf(collection, id);
    if (change === undefined) return lanes[kind];
    const { form } = change;
    const { changes } = lanes;
    let lane = changes.get(form);
    if (lane === undefined) {
      lane = new Lane(kind, collection, () => changes.delete(form));
      changes.set(form, lane);
    }
    return lane;
  }

  #lanesOf(collection: string, id: string): Lanes {
    const key = this.#partition === undefined ? collection : `${collection}.${this.#partition(id)}`;
    let lanes = this.#lanes.get(key);
    if (lanes === undefined) {
      lanes = {
        insert: new Lane("insert", collection),
        update: new Lane("update", collection),
        upsert: new Lane("upsert", collection),
        delete: new Lane("delete", collection),
        changes: new Map(),
      };
      this.#lanes.set(key, lanes);
    }
    return lanes;
  }
}

/** The queued operations behind one, up to another that was sent. */
function visitBehind({ next }: Operation, visit: (operation: Operation) => void): void {
  for (let at = next; at !== undefined; at = at.next) {
    if (at.state === "blocked") visit(at);
    else if (at.state !== "settled") return;
  }
}

function compact(lane: Lane): void {
  if (lane.head === lane.ready.length) {
    lane.ready.length = 0;
    lane.head = 0;
  } else if (lane.head >= COMPACT_AT && lane.head * 2 >= lane.ready.length) {
    lane.ready.splice(0, lane.head);
    lane.head = 0;
  }
}

/** Compares two strings by code point, as both engines sort text. (JavaScript compares UTF-16 units.) */
function compareCodePoints(a: string, b: string): number {
  if (a === b) return 0;
  const end = Math.min(a.length, b.length);
  let i = 0;
  while (i < end && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  if (i === end) return a.length - b.length;
  const x = a.charCodeAt(i);
  const y = b.charCodeAt(i);
  const xIsSurrogate = (x & 0xf800) === 0xd800;
  const yIsSurrogate = (y & 0xf800) === 0xd800;
  // A surrogate belongs to a code point above every other unit's.
  if (xIsSurrogate !== yIsSurrogate) return xIsSurrogate ? 1 : -1;
  return x - y;
}

/** Sorts by id in code point order, in place. Ids that come in order, as generated ones do, cost one pass. */
export function sortById<T extends { readonly id: string }>(items: T[]): T[] {
  for (let i = 1; i < items.length; i++) {
    if (compareCodePoints(items[i - 1]!.id, items[i]!.id) > 0) {
      return items.sort((a, b) => compareCodePoints(a.id, b.id));
    }
  }
  return items;
}
