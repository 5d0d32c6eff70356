import type { FormDB, Transaction } from "../../src/index.ts";

/** A transaction that has done its work and stays open until it is released, by what is given. */
export async function holdTransaction(
  db: FormDB,
  work: (tx: Transaction) => Promise<unknown> = async () => {},
): Promise<() => Promise<void>> {
  const begun = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const transaction = db.transaction(async (tx) => {
    await work(tx);
    begun.resolve();
    await held.promise;
  });
  await Promise.race([begun.promise, transaction]);
  return async () => {
    held.resolve();
    await transaction;
  };
}
