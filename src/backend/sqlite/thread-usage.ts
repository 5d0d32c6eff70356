/** What tells a run that was long from one that the system has stopped. */
export interface ThreadUsage {
  /** Milliseconds of the processor that this thread has used. */
  cpuMs(): number;
  /** How often this process has waited for a disk to read. */
  diskReads(): number;
}

/** That of the thread which asks. Node has these figures from 23.9 on. */
export const usageOfThread: ThreadUsage | undefined =
  typeof process.threadCpuUsage === "function"
    ? {
        cpuMs: () => {
          const { user, system } = process.threadCpuUsage();
          return (user + system) / 1_000;
        },
        diskReads: () => process.resourceUsage().fsRead,
      }
    : undefined;

/** Begins to measure a run; what it gives tells its milliseconds. */
export type Stopwatch = () => () => number;

export const wallTime: Stopwatch = () => {
  const start = performance.now();
  return () => performance.now() - start;
};

/** Without the time in which the system let others run. A wait for a disk is a run's own. */
export function ownTime(
  usage: ThreadUsage | undefined = usageOfThread,
  wall: Stopwatch = wallTime,
): Stopwatch {
  if (usage === undefined) return wall;
  return () => {
    const usedMs = usage.cpuMs();
    const diskReads = usage.diskReads();
    const wallMs = wall();
    return () => {
      const ms = wallMs();
      return usage.diskReads() === diskReads ? Math.min(ms, usage.cpuMs() - usedMs) : ms;
    };
  };
}
