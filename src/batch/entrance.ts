import type { FormDBError } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import type { BatchSettings } from "./batch-options.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { Feeder, type Intake } from "./feeder.ts";
import { ITEM, type ToItem } from "./items.ts";
import { JournalGate } from "./journal-gate.ts";
import type { Ledger } from "./ledger.ts";
import { afterDecision, NotingPromise } from "./noting-promise.ts";
import { encodeOperation, type Item, type Operation } from "./operation.ts";
import { aborted, queueFull } from "./refusals.ts";
import type { SingleCall } from "./single-call.ts";
import { Tally } from "./tally.ts";

/**
 * The way of operations from a call into the queue: encoded, let in as there is room, into the journal where
 * there is one, and out again while they have not been sent, if their caller gives up.
 */
export class Entrance {
  readonly gate: JournalGate | undefined;
  readonly #settings: BatchSettings;
  readonly #ledger: Ledger;
  readonly #dispatcher: Dispatcher;
  readonly #intake: Intake;

  constructor(settings: BatchSettings, ledger: Ledger, dispatcher: Dispatcher) {
    this.#settings = settings;
    this.#ledger = ledger;
    this.#dispatcher = dispatcher;
    this.gate =
      settings.spill &&
      new JournalGate(settings.spill, {
        pass: (operation) => this.#enqueue(operation),
        reject: (operation, error) => {
          operation.state = "settled";
          ledger.settled(operation, undefined, error, "rejected");
          this.stepped();
        },
        onError: (error) => ledger.unclaimed.tell(error),
      });
    this.#intake = {
      generateId: settings.generateId,
      captureContext: settings.captureContext,
      accept: (operation) => this.#accept(operation),
      turnAway: (operation, error) => ledger.fail(operation, error, "rejected"),
      refuse: (feeder, id, error) => ledger.refuse(feeder, id, error),
    };
  }

  /** Adds the operation of a call of one, now or when there is room. Throws where it is none. */
  addOne(
    kind: WriteKind,
    collection: string,
    id: string | number | undefined,
    value: unknown,
    call: SingleCall,
  ): void {
    const { holding, flush } = this.#ledger;
    if (holding.waiting > 0 || !holding.hasRoom(0)) {
      this.#addOneLater(kind, collection, { id, value }, call);
      return;
    }
    const operation = encodeOperation(kind, collection, id, value, this.#settings.generateId);
    if (!holding.hasRoom(operation.bytes)) {
      this.#addOneLater(kind, collection, { id: operation.id, value }, call);
      return;
    }
    operation.context = this.#settings.captureContext();
    operation.call = call;
    operation.flush = flush;
    operation.flushIndex = flush.add();
    listen(call, (error) => this.#withdraw(operation, error));
    this.#accept(operation);
  }

  /** Adds the operations of a call that is not told of each. Resolves when they are in the queue. */
  addAll(kind: WriteKind, collection: string, items: Iterable<unknown>, toItem: ToItem): Promise<void> {
    const feeder = this.feeder(kind, collection, items, toItem, undefined, 0);
    let failure: FormDBError | undefined;
    let settle: (() => void) | undefined;
    feeder.onDone = (error) => {
      failure = error;
      settle?.();
    };
    this.start(feeder);
    if (feeder.ended && failure === undefined) return this.gate?.durable() ?? DONE;
    const accepted = new NotingPromise<void>((resolve, reject) => {
      settle = () => (failure === undefined ? resolve(this.gate?.durable()) : reject(failure));
      if (feeder.ended) settle();
    }).quiet();
    void afterDecision(() => {
      if (accepted.awaited) return;
      if (!feeder.ended) feeder.refuseRest(queueFull(this.#ledger.holding.limits));
      if (failure !== undefined) this.#ledger.unclaimed.tell(failure);
    });
    return accepted;
  }

  /** The answer to such a call that was wrong as a whole: rejects, and is reported if nobody waits. */
  refuseAll(error: Error): Promise<void> {
    const refused = new NotingPromise<void>((_, reject) => reject(error)).quiet();
    void afterDecision(() => {
      if (!refused.awaited) this.#ledger.unclaimed.tell(error);
    });
    return refused;
  }

  feeder(
    kind: WriteKind,
    collection: string,
    items: Iterable<unknown>,
    toItem: ToItem,
    call: Tally | SingleCall | undefined,
    groupLimit: number,
  ): Feeder {
    return new Feeder(this.#intake, kind, collection, items, toItem, call, this.#ledger.flush, groupLimit);
  }

  start(feeder: Feeder): void {
    const { holding } = this.#ledger;
    const started = holding.start(feeder);
    if (started === "refused") feeder.refuseRest(queueFull(holding.limits));
    else if (started === "waits") this.#dispatcher.trigger("size");
  }

  /** Ends a call of many: what was not sent is withdrawn. */
  abort(call: Tally, feeder: Feeder, error: FormDBError): void {
    feeder.refuseRest(error);
    for (const operation of [...call.pending!]) this.#withdraw(operation, error);
  }

  /** Queues an operation that the journal holds already. */
  restore(operation: Operation): void {
    const { flush, holding } = this.#ledger;
    operation.flush = flush;
    operation.flushIndex = flush.add();
    holding.force(operation.bytes);
    this.#enqueue(operation);
  }

  /** Something ended: there may be room for those who wait, or nothing left to wait for. */
  stepped(): void {
    const { holding, onIdle } = this.#ledger;
    holding.admit();
    if (holding.waiting > 0) this.#dispatcher.trigger("size");
    if (holding.idle) onIdle?.();
  }

  #addOneLater(kind: WriteKind, collection: string, item: Item, call: SingleCall): void {
    const feeder = this.feeder(kind, collection, [item], ITEM, call, 0);
    listen(call, (error) => {
      feeder.refuseRest(error);
      if (call.operation !== undefined) this.#withdraw(call.operation, error);
    });
    this.start(feeder);
  }

  #accept(operation: Operation): boolean {
    if (!this.#ledger.holding.take(operation.bytes)) return false;
    this.#settings.observer.queued(operation.kind, operation.bytes);
    const { call } = operation;
    if (call?.signal !== undefined) {
      if (call instanceof Tally) call.pending?.add(operation);
      else (call as SingleCall).operation = operation;
    }
    if (this.gate === undefined) this.#enqueue(operation);
    else this.gate.enter(operation);
    return true;
  }

  #enqueue(operation: Operation): void {
    this.#dispatcher.add(operation, operation.flush!.claimed);
  }

  #withdraw(operation: Operation, error: FormDBError): void {
    if (operation.state === "new") operation.state = "settled";
    else if (!this.#dispatcher.withdraw(operation)) return;
    this.#ledger.settled(operation, undefined, error, "rejected");
    this.stepped();
  }
}

const DONE: Promise<void> = Promise.resolve();

function listen(call: SingleCall, onAbort: (error: FormDBError) => void): void {
  const { signal } = call;
  if (signal === undefined) return;
  const listener = (): void => onAbort(aborted(signal));
  signal.addEventListener("abort", listener, { once: true });
  call.onSettled = () => signal.removeEventListener("abort", listener);
}
