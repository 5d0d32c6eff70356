import type { Connection, IsolationLevel } from "../backend/backend.ts";

/** What a transaction is begun with. */
export interface TransactionTerms<T = unknown> {
  /** Default: the engine's own. */
  readonly isolation?: IsolationLevel | undefined;
  /** Ends BEGIN, and COMMIT where it goes over a network. */
  readonly signal?: AbortSignal | undefined;
  /** Called with what the work gave when COMMIT is about to be sent. Gives the token to store with it, if any. */
  readonly beforeCommit?: ((result: T) => string | undefined) | undefined;
}

/**
 * Runs `work` between BEGIN and COMMIT on a connection that the caller holds; rolls back when it, or the commit,
 * fails. A connection that can't be brought out of its transaction is closed, so that nobody gets it.
 */
export async function inTransaction<T>(
  connection: Connection,
  { isolation, signal, beforeCommit }: TransactionTerms<T>,
  work: () => Promise<T>,
): Promise<T> {
  await connection.begin(isolation, { signal });
  try {
    const result = await work();
    await connection.commit({ signal, token: beforeCommit?.(result) });
    return result;
  } catch (error) {
    await rollBack(connection);
    throw error;
  }
}

async function rollBack(connection: Connection): Promise<void> {
  if (!connection.usable) return;
  try {
    await connection.rollback();
  } catch {
    await connection.close();
  }
}
