import type { Clock } from "../base/clock.ts";
import { FormDBError } from "../base/errors.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { UndeliveredOperation } from "./group.ts";
import type { JournalGate } from "./journal-gate.ts";
import { asUndelivered, type Ledger } from "./ledger.ts";

/** What of a processor takes part in its end. */
export interface ClosingParts {
  readonly dispatcher: Dispatcher;
  readonly ledger: Ledger;
  readonly gate: JournalGate | undefined;
  readonly clock: Clock;
}

/**
 * Delivers what is held, until the deadline. What is left then is given up: its callers are told, and what is certainly not
 * applied comes back.
 */
export async function deliverRest(
  parts: ClosingParts,
  deadlineMs: number,
): Promise<readonly UndeliveredOperation[]> {
  const { dispatcher, gate } = parts;
  const undelivered: UndeliveredOperation[] = [];
  dispatcher.drain();
  if (!(await untilIdle(parts, deadlineMs))) await giveUp(parts, deadlineMs, undelivered);
  dispatcher.stop();
  await gate?.durable();
  return undelivered;
}

/** False where the deadline comes first. */
function untilIdle({ ledger, clock }: ClosingParts, deadlineMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = deadlineMs === Infinity ? undefined : clock.schedule(() => resolve(false), deadlineMs);
    ledger.onIdle = () => {
      timer?.cancel();
      resolve(true);
    };
    if (ledger.holding.idle) ledger.onIdle();
  });
}

async function giveUp(
  { dispatcher, ledger, gate }: ClosingParts,
  deadlineMs: number,
  undelivered: UndeliveredOperation[],
): Promise<void> {
  const error = new FormDBError(
    "FORMDB_CLOSED",
    `The write was not delivered within the ${deadlineMs} ms for closing`,
  );
  const abandoned = gate?.abandon() ?? [];
  // What the journal is just being given comes into the queue, or is refused.
  await gate?.durable();
  ledger.undelivered = undelivered;
  const { unsent, unknown } = await dispatcher.giveUp(error);
  for (const operation of [...unsent, ...abandoned]) {
    operation.state = "settled";
    ledger.settled(operation, undefined, error, "rejected");
  }
  const doubt = new FormDBError(
    "FORMDB_CLOSED",
    `The write was under way when the ${deadlineMs} ms for closing ended; whether it took place is not known`,
    { details: { outcome: "unknown" } },
  );
  for (const operation of unknown) ledger.giveBack(operation, doubt, "unknown");
  ledger.undelivered = undefined;
  ledger.holding.refuseAll(error, (operation) => undelivered.push(asUndelivered(operation)));
  // Whoever gets them back may queue them elsewhere.
  await ledger.forgotten();
}
