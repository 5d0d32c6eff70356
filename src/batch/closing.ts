import type { Clock } from "../base/clock.ts";
import { FormDBError } from "../base/errors.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { UndeliveredOperation } from "./group.ts";
import type { Intake } from "./intake.ts";
import type { Ledger } from "./ledger.ts";

/** What of a processor takes part in its end. */
export interface ClosingParts {
  readonly dispatcher: Dispatcher;
  readonly ledger: Ledger;
  readonly intake: Intake;
  readonly clock: Clock;
}

/**
 * Delivers what is held, until the deadline. What is left then is given up: its callers are told, and what is
 * certainly not applied comes back.
 */
export async function deliverRest(
  parts: ClosingParts,
  deadlineMs: number,
): Promise<readonly UndeliveredOperation[]> {
  const { dispatcher, intake } = parts;
  dispatcher.drain();
  const undelivered = (await untilIdle(parts, deadlineMs)) ? [] : await giveUp(parts, deadlineMs);
  dispatcher.stop();
  await intake.durable();
  return undelivered;
}

/** False if the deadline comes first. */
function untilIdle({ ledger, clock }: ClosingParts, deadlineMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = deadlineMs === Infinity ? undefined : clock.schedule(() => resolve(false), deadlineMs);
    void ledger.room.whenIdle().then(() => {
      timer?.cancel();
      resolve(true);
    });
  });
}

async function giveUp(
  { dispatcher, ledger, intake }: ClosingParts,
  deadlineMs: number,
): Promise<readonly UndeliveredOperation[]> {
  const error = new FormDBError(
    "FORMDB_CLOSED",
    `The write was not delivered within the ${deadlineMs} ms for closing`,
  );
  const abandoned = intake.abandon();
  // What the journal is just being given comes into the queue, or is refused.
  await intake.durable();
  ledger.beginHandingBack();
  const { unsent, unknown } = await dispatcher.giveUp(error);
  for (const operation of [...unsent, ...abandoned]) ledger.settle(operation, { outcome: "rejected", error });
  const doubt = new FormDBError(
    "FORMDB_CLOSED",
    `The write was under way when the ${deadlineMs} ms for closing ended; whether it took place is not known`,
    { details: { outcome: "unknown" } },
  );
  for (const operation of unknown)
    ledger.settle(operation, { outcome: "unknown", error: doubt, staysInJournal: true });
  ledger.room.giveBackAll(error);
  return ledger.endHandingBack();
}
