import type { ConnectionCloseReason } from "../base/observer.ts";
import type { Host } from "./host.ts";
import type { NestingContext } from "./nesting.ts";

/**
 * Where a pooled resource is: on its host's idle stack, with a caller, with the pool itself (`busy`: being
 * validated or reset), taken from a caller by a pool that closed (`revoked`), or out of the pool.
 */
export type EntryState = "idle" | "lent" | "busy" | "revoked" | "gone";

/** A resource and what the pool knows of it. Times are of the pool's clock. */
export class Entry<T> {
  readonly id: number;
  readonly resource: T;
  readonly host: Host<T>;
  readonly generation: number;
  /** When it is to be retired. */
  readonly expiresAt: number;
  state: EntryState = "busy";
  /** When it was last given back, or became ready. */
  usedAt: number;
  /** When it was last known to work. */
  provenAt: number;
  lentAt = 0;
  /** How often it was lent; also tells one loan from the next. */
  loans = 0;
  /** Why it is to be closed as soon as nobody has it. */
  doom: ConnectionCloseReason | undefined = undefined;
  /** A successor is wanted before this one retires. */
  replacing = false;
  /** Where the present loan was asked for. */
  origin: Error | undefined = undefined;
  leakReported = false;
  /** The `use` call that has it, where nesting is watched. */
  context: NestingContext | undefined = undefined;
  /** Links of the idle stack. */
  below: Entry<T> | undefined = undefined;
  above: Entry<T> | undefined = undefined;

  constructor(id: number, resource: T, host: Host<T>, generation: number, now: number, expiresAt: number) {
    this.id = id;
    this.resource = resource;
    this.host = host;
    this.generation = generation;
    this.usedAt = now;
    this.provenAt = now;
    this.expiresAt = expiresAt;
  }
}
