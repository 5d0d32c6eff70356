import { IdleStack } from "./idle-stack.ts";
import type { HostStats } from "./stats.ts";

/** A place where connections are opened: how many there are, and how opening them has gone of late. */
export class Host<T> {
  readonly name: string;
  readonly idle: IdleStack<T> = new IdleStack<T>();
  /** Ready connections, idle or not. */
  open = 0;
  opening = 0;
  /** Failures in a row; concurrent ones count once. */
  failures = 0;
  /** Connections in a row that were lost before anyone had them. */
  losses = 0;
  failedAt: number = -Infinity;
  /** No attempt before this time. */
  retryAt: number = -Infinity;
  /** The last failure said that trying again as it is makes no sense. */
  hopeless = false;

  constructor(name: string) {
    this.name = name;
  }

  get inUse(): number {
    return this.open - this.idle.size;
  }

  stats(): HostStats {
    const { name, open, inUse, opening, failures } = this;
    return Object.freeze({ host: name, open, inUse, opening, failures });
  }

  succeeded(): void {
    this.failures = 0;
    this.retryAt = -Infinity;
    this.hopeless = false;
  }
}
