/** For runs that only have to notice a large loss. */
const QUICK = process.env.BENCH_QUICK === "1";
/** What part of their usual time turns last, for a run that must end soon. */
export const SCALE: number = Number(process.env.BENCH_SCALE ?? 1);

/** One side of a comparison: does `operations` units of work each time it is called. */
export interface Contender {
  readonly name: string;
  /** How many units of work one call of `run` does. */
  readonly operations: number;
  run(): void | Promise<void>;
}

export interface Measured {
  readonly name: string;
  /** Median over the rounds, in operations a second. */
  readonly perSecond: number;
  readonly fastest: number;
  readonly slowest: number;
  /** The rate of each round. */
  readonly turns: readonly number[];
}

export interface CompareOptions {
  /** How often each contender has its turn. */
  readonly rounds?: number;
  /** How long one turn lasts at least. */
  readonly turnMs?: number;
}

/**
 * Lets the contenders take turns, round by round in an order of chance, so that a noisy machine, and what the one before
 * leaves behind in caches and in the system's choice of processors, hits all of them alike; and gives each one's median rate.
 * Turns are short and many: what slows a machine down for a second then slows whole rounds. One round before the first is
 * not counted.
 */
export async function compare(
  contenders: readonly Contender[],
  options: CompareOptions = {},
): Promise<Measured[]> {
  const [measured] = await compareEach([contenders], options);
  return measured!;
}

/**
 * Several comparisons at once, a round of each in turn: what slows one side down for some seconds then hits a few rounds of
 * each, and not all rounds of one.
 */
export async function compareEach(
  comparisons: readonly (readonly Contender[])[],
  options: CompareOptions = {},
): Promise<Measured[][]> {
  const { rounds, turnMs } = QUICK ? { rounds: 3, turnMs: 60 } : { rounds: 21, turnMs: 100, ...options };
  const rates = new Map<Contender, number[]>(comparisons.flat().map((contender) => [contender, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const contender of comparisons.flatMap(shuffled)) {
      await loopTurn();
      const rate = await turn(contender, turnMs * SCALE);
      if (round > 0) rates.get(contender)!.push(rate);
    }
  }
  return comparisons.map((each) => each.map((one) => summary(one.name, rates.get(one)!)));
}

/**
 * What the turns before have left to the event loop, such as native statements that nobody holds any more, is worked off before the next
 * begins. Else it falls to whoever lets the loop turn, and contenders whose promises never wait do not.
 */
function loopTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve));
  });
}

function shuffled<T>(values: readonly T[]): T[] {
  const places = values.map((value) => ({ value, place: Math.random() }));
  return places.sort((a, b) => a.place - b.place).map(({ value }) => value);
}

/** Median and spread of a contender's rates, one a round. */
export function summary(name: string, rates: readonly number[]): Measured {
  const turns = rates.map((rate) => Number(rate.toPrecision(5)));
  return { name, perSecond: median(turns), fastest: Math.max(...turns), slowest: Math.min(...turns), turns };
}

/**
 * Our rate over theirs: the median of what it is in each round. A machine that is slower in one half of the rounds moves the
 * medians of two contenders apart, but not the ratios of rounds.
 */
export function ratioOf(ours: Measured, theirs: Measured): number {
  return median(ours.turns.map((rate, round) => rate / theirs.turns[round]!));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

async function turn(contender: Contender, turnMs: number): Promise<number> {
  let done = 0;
  const start = performance.now();
  let elapsed = 0;
  while (elapsed < turnMs) {
    const pending = contender.run();
    if (pending !== undefined) await pending;
    done += contender.operations;
    elapsed = performance.now() - start;
  }
  return (done / elapsed) * 1_000;
}
