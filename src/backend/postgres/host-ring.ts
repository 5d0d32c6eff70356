import type { Clock } from "../../base/clock.ts";
import { type HostAddress, showAddress } from "./host-address.ts";

/** After a failure a host is asked last for so long. */
const FAILURE_MEMORY_MS = 10_000;

/** What was last seen of a host. */
export interface Host {
  readonly address: HostAddress;
  readonly name: string;
  /** Connections that are open now. */
  open: number;
  /** On the clock's scale; `-Infinity` where its last try went well. */
  failedAt: number;
  /** Undefined until it was once connected to. */
  standby: boolean | undefined;
  /** Whether it has said that it can't encrypt. Asked again after a failure: another server may have taken its place. */
  plainOnly: boolean;
  /** Whether a pooler there has refused settings in the start-up message. */
  settingsAfterwards: boolean;
}

/**
 * The hosts of a URL, and the order in which to try them: those of the wanted role first, failed ones last, and
 * among equals the one with the fewest connections, so that equal nodes share them evenly.
 */
export class HostRing {
  readonly #hosts: readonly Host[];
  readonly #clock: Clock;
  readonly #random: boolean;
  #turn = 0;

  constructor(addresses: readonly HostAddress[], random: boolean, clock: Clock) {
    this.#clock = clock;
    this.#random = random;
    this.#hosts = addresses.map((address) => ({
      address,
      name: showAddress(address),
      open: 0,
      failedAt: -Infinity,
      standby: undefined,
      plainOnly: false,
      settingsAfterwards: false,
    }));
  }

  get size(): number {
    return this.#hosts.length;
  }

  /** The hosts in the order to try them. `wantsStandby` is undefined where any will do. */
  order(wantsStandby: boolean | undefined): readonly Host[] {
    const now = this.#clock.now();
    const turn = this.#turn++;
    const rank = (host: Host): number => {
      const failed = now - host.failedAt < FAILURE_MEMORY_MS ? 2 : 0;
      const unfit =
        wantsStandby !== undefined && host.standby !== undefined && host.standby !== wantsStandby ? 1 : 0;
      return failed + unfit;
    };
    const count = this.#hosts.length;
    return this.#hosts
      .map((host, i) => ({
        host,
        rank: rank(host),
        tie: this.#random ? Math.random() : (i + count - (turn % count)) % count,
      }))
      .sort((a, b) => a.rank - b.rank || a.host.open - b.host.open || a.tie - b.tie)
      .map(({ host }) => host);
  }

  failed(host: Host): void {
    host.failedAt = this.#clock.now();
    // Whoever comes back may come back as something else.
    host.standby = undefined;
    host.plainOnly = false;
  }

  succeeded(host: Host, standby: boolean): void {
    host.failedAt = -Infinity;
    host.standby = standby;
  }
}
