import type { Connection, IsolationLevel } from "../backend/backend.ts";

/**
 * Runs `work` between BEGIN and COMMIT on a connection that the caller holds; rolls back when it, or the commit,
 * fails. A connection that can't be brought out of its transaction is closed, so that nobody gets it.
 */
export async function inTransaction<T>(
  connection: Connection,
  isolation: IsolationLevel | undefined,
  work: () => Promise<T>,
): Promise<T> {
  await connection.begin(isolation);
  try {
    const result = await work();
    await connection.commit();
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
