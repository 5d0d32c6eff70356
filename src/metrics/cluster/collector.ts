import { guardCallback } from "../../base/callback.ts";
import { type Clock, systemClock, type Timer } from "../../base/clock.ts";
import { checkOptions, configError, func, integer, milliseconds, object } from "../../base/options.ts";
import type { ExportFormat } from "../exposition.ts";
import type { MetricsSnapshot } from "../snapshot.ts";
import { exportSnapshot, mergeSnapshots, totalsOf } from "./aggregate.ts";

/** A channel to another process or thread. */
export interface SnapshotChannel {
  /** Sends a message to the other end. */
  send(message: unknown): void;
  /** Returns what ends it. */
  receive(listener: (message: unknown) => void): () => void;
}

const REQUEST = "formdb:metrics:request";
const SNAPSHOT = "formdb:metrics:snapshot";

interface Snapshotter {
  snapshot(): MetricsSnapshot;
}

/** Answers a collector's questions, in each worker. Returns what ends that. */
export function answerSnapshots(metrics: Snapshotter, channel: SnapshotChannel): () => void {
  return channel.receive((message) => {
    if (!isMessage(message, REQUEST)) return;
    try {
      channel.send({ type: SNAPSHOT, id: message.id, snapshot: metrics.snapshot() });
    } catch {
      // The asking process has gone.
    }
  });
}

/** Whose metrics are collected, and how long that may take. */
export interface CollectorOptions {
  /** Metrics of the collecting process itself. Default none. */
  readonly own?: Snapshotter | undefined;
  /** How long a member may take to answer; then what it said before stands. Default 1000. */
  readonly timeoutMs?: number | undefined;
  /** Default 1000. */
  readonly maxMembers?: number | undefined;
  /** Told, once a metric, of metrics that two members define differently. Default: a process warning. */
  readonly onError?: ((error: Error) => void) | undefined;
  /** The source of time. Default the machine's. */
  readonly clock?: Clock | undefined;
}

interface Member {
  readonly channel: SnapshotChannel;
  readonly stop: () => void;
  last: MetricsSnapshot | undefined;
  awaited: { id: number; settle: () => void } | undefined;
}

/**
 * Collects the metrics of many workers and exports them as one. What a worker had counted when it was last asked stays in
 * the sum after the worker has ended, so that counters don't fall. A metric that a member defines differently from the
 * members before it is left out of that member's metrics. `scrapeHandler` and `listen` can serve it.
 */
export class SnapshotCollector {
  readonly #own: Snapshotter | undefined;
  readonly #timeoutMs: number;
  readonly #maxMembers: number;
  readonly #clock: Clock;
  readonly #onError: (error: Error) => void;
  readonly #conflicts: Set<string> = new Set();
  readonly #members: Map<string, Member> = new Map();
  #gone: MetricsSnapshot = { families: [] };
  #running: Promise<MetricsSnapshot> | undefined = undefined;
  #asked = 0;

  constructor(options: CollectorOptions = {}) {
    checkOptions("SnapshotCollector", options, {
      own: object,
      timeoutMs: milliseconds,
      maxMembers: integer(1),
      onError: func,
      clock: object,
    });
    this.#own = options.own;
    this.#timeoutMs = options.timeoutMs ?? 1_000;
    this.#maxMembers = options.maxMembers ?? 1_000;
    this.#clock = options.clock ?? systemClock;
    this.#onError = guardCallback(options.onError ?? ((error) => process.emitWarning(error)));
  }

  /** Adds a worker; a member of the same id is taken out first. */
  attach(id: string, channel: SnapshotChannel): void {
    this.detach(id);
    if (this.#members.size >= this.#maxMembers) {
      throw configError(
        `The worker ${id} can't be attached: a collector has at most ${this.#maxMembers} members`,
      );
    }
    const stop = channel.receive((message) => {
      if (!isMessage(message, SNAPSHOT) || message.snapshot === undefined) return;
      member.last = message.snapshot;
      if (member.awaited?.id === message.id) member.awaited.settle();
    });
    const member: Member = { channel, stop, last: undefined, awaited: undefined };
    this.#members.set(id, member);
  }

  /** Takes a worker out that has ended; its counters and histograms stay in the sum. */
  detach(id: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    this.#members.delete(id);
    member.stop();
    member.awaited?.settle();
    if (member.last !== undefined) this.#gone = this.#merge([this.#gone, totalsOf(member.last)]);
  }

  /** The sum over all workers. Calls at the same time share one question. */
  collect(): Promise<MetricsSnapshot> {
    this.#running ??= this.#collect().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** The metrics of all processes, as one text. */
  async exportAsync(format: ExportFormat = "prometheus"): Promise<string> {
    return exportSnapshot(await this.collect(), format);
  }

  async #collect(): Promise<MetricsSnapshot> {
    await Promise.all(Array.from(this.#members.values(), (member) => this.#ask(member)));
    const present = Array.from(this.#members.values(), ({ last }) => last ?? { families: [] });
    const own = this.#own === undefined ? [] : [this.#own.snapshot()];
    return this.#merge([...own, ...present, this.#gone]);
  }

  #merge(snapshots: readonly MetricsSnapshot[]): MetricsSnapshot {
    return mergeSnapshots(snapshots, (name, error) => {
      if (this.#conflicts.has(name)) return;
      this.#conflicts.add(name);
      this.#onError(error);
    });
  }

  #ask(member: Member): Promise<void> {
    const id = ++this.#asked;
    return new Promise<void>((resolve) => {
      let timer: Timer | undefined;
      const settle = (): void => {
        timer?.cancel();
        member.awaited = undefined;
        resolve();
      };
      timer = this.#clock.schedule(settle, this.#timeoutMs, { keepAlive: false });
      member.awaited = { id, settle };
      try {
        member.channel.send({ type: REQUEST, id });
      } catch {
        // It is closed: whoever attached it will detach it.
        settle();
      }
    });
  }
}

interface PortLike {
  postMessage(message: unknown): void;
  on(event: "message", listener: (message: unknown) => void): unknown;
  off(event: "message", listener: (message: unknown) => void): unknown;
  unref?(): unknown;
}

/**
 * A channel over a `MessagePort` of its own, one end of a `MessageChannel` whose other end the worker was given. The
 * port no longer keeps its thread alive.
 */
export function portChannel(port: PortLike): SnapshotChannel {
  return {
    send: (message) => port.postMessage(message),
    receive: (listener) => {
      port.on("message", listener);
      port.unref?.();
      return () => {
        port.off("message", listener);
      };
    },
  };
}

interface ProcessLike {
  /** Of a process; a cluster's worker has the method. */
  readonly connected?: boolean;
  isConnected?(): boolean;
  send?(message: unknown, callback: (error: Error | null) => void): unknown;
  on(event: "message", listener: (message: unknown) => void): unknown;
  off(event: "message", listener: (message: unknown) => void): unknown;
}

/**
 * A channel between the processes of a `node:cluster`: of a worker in the primary, of `process` in the worker.
 * Other messages between them are left alone.
 */
export function clusterChannel(end: ProcessLike): SnapshotChannel {
  return {
    send: (message) => {
      if (end.send === undefined || (end.isConnected?.() ?? end.connected) === false)
        throw configError("A cluster channel must be to a process with an IPC channel that is open");
      // The callback takes the error of a channel that was closed meanwhile; without one it would end the process.
      end.send(message, () => {});
    },
    receive: (listener) => {
      end.on("message", listener);
      return () => {
        end.off("message", listener);
      };
    },
  };
}

interface Message {
  readonly type: string;
  readonly id: number;
  readonly snapshot?: MetricsSnapshot;
}

function isMessage(message: unknown, type: string): message is Message {
  return typeof message === "object" && message !== null && (message as Partial<Message>).type === type;
}
