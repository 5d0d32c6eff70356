import { ExitCode } from "./exit-code.ts";

/** The wish to stop, from Ctrl-C or a service manager. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** The exit code for it; undefined while nobody wished to stop. */
  exitCode(): number | undefined;
  /** Gives the signals back to the process. */
  release(): void;
}

/**
 * Turns the first SIGINT or SIGTERM into an abort signal, so that a command ends in order. The second one ends
 * the process at once.
 */
export function listenForInterruption(): Interruption {
  const controller = new AbortController();
  let code: number | undefined;
  const interrupt = (): void => stop(ExitCode.interrupted);
  const terminate = (): void => stop(ExitCode.terminated);
  function stop(exitCode: number): void {
    if (code !== undefined) process.exit(exitCode);
    code = exitCode;
    controller.abort();
  }
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", terminate);
  return {
    signal: controller.signal,
    exitCode: () => code,
    release: () => {
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", terminate);
    },
  };
}

/**
 * Runs the work of a command that ends in order when somebody wishes to stop: gives its exit code, or that of the wish. What it
 * throws because it was stopped is no failure.
 */
export async function interruptible(work: (interruption: Interruption) => Promise<number>): Promise<number> {
  const interruption = listenForInterruption();
  try {
    return await work(interruption);
  } catch (error) {
    const code = interruption.exitCode();
    if (code === undefined) throw error;
    return code;
  } finally {
    interruption.release();
  }
}
