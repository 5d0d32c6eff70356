import { seededRandom, zipf } from "./workloads.ts";

/** Ten fields of a hundred bytes. */
export type Fields = Readonly<Record<string, string>>;

/** What YCSB asks of a store. Records come with their `id` among the fields. */
export interface Store {
  readonly name: string;
  load(records: readonly { id: string; fields: Fields }[]): Promise<void>;
  read(id: string): Promise<Fields | undefined>;
  update(id: string, field: string, value: string): Promise<unknown>;
  insert(id: string, fields: Fields): Promise<unknown>;
  /** The next records from this id on, in the order of ids. Left out if a store has no such call. */
  scan?(from: string, count: number): Promise<readonly Fields[]>;
}

/** The core workloads of YCSB (Cooper et al., 2010): what one operation is, in parts of a hundred. */
export interface Workload {
  readonly name: string;
  readonly read: number;
  readonly update: number;
  readonly insert: number;
  readonly scan: number;
  readonly modify: number;
  /** Which records are asked for: by Zipf's law any, or those that were inserted last. */
  readonly asks: "zipf" | "latest";
}

const NOTHING = { read: 0, update: 0, insert: 0, scan: 0, modify: 0, asks: "zipf" } as const;
export const WORKLOADS: readonly Workload[] = [
  { ...NOTHING, name: "A: half reads, half updates", read: 50, update: 50 },
  { ...NOTHING, name: "B: 95 reads, 5 updates", read: 95, update: 5 },
  { ...NOTHING, name: "C: reads", read: 100 },
  { ...NOTHING, name: "D: 95 reads of the latest, 5 inserts", read: 95, insert: 5, asks: "latest" },
  { ...NOTHING, name: "E: 95 scans of up to 100, 5 inserts", scan: 95, insert: 5 },
  { ...NOTHING, name: "F: half reads, half read and modify", read: 50, modify: 50 },
];

const FIELDS = 10;
const FIELD_BYTES = 100;
const MAX_SCAN = 100;
const ZIPF_EXPONENT = 0.99;
const RANKS = 100_000;

const letters = seededRandom(42);
const TEXTS = Array.from({ length: 1_000 }, () =>
  Array.from({ length: FIELD_BYTES }, () => String.fromCharCode(97 + Math.floor(letters() * 26))).join(""),
);

/** The id of a record's number: as in YCSB, records that follow one another are spread over the order of ids. */
export function idOf(number: number): string {
  return `user${String(Number((BigInt(number) * 2_654_435_761n) % 2n ** 32n)).padStart(10, "0")}`;
}

export function recordOf(number: number): { id: string; fields: Fields } {
  const fields = Array.from({ length: FIELDS }, (_, i) => [
    `field${i}`,
    TEXTS[(number * 31 + i * 7) % TEXTS.length]!,
  ]);
  return { id: idOf(number), fields: Object.fromEntries(fields) };
}

/** A workload's operations on a store, the same ones for the same seed. */
export class Run {
  readonly #store: Store;
  readonly #workload: Workload;
  readonly #records: number;
  readonly #random: () => number;
  readonly #ranks: Uint32Array;
  /** Numbers of the records that were inserted, the last one last. */
  readonly #inserted: number[] = [];
  #nextRank = 0;
  #nextNumber: number;

  /** `firstNumber` is that of the first record to be inserted. */
  constructor(
    store: Store,
    workload: Workload,
    { records, firstNumber, seed }: { records: number; firstNumber: number; seed: number },
  ) {
    this.#store = store;
    this.#workload = workload;
    this.#records = records;
    this.#nextNumber = firstNumber;
    this.#random = seededRandom(seed);
    this.#ranks = zipf(records, ZIPF_EXPONENT, seed, RANKS);
  }

  /** One operation. Gives what was read. */
  async next(): Promise<unknown> {
    const { read, update, insert, scan } = this.#workload;
    const kind = this.#random() * 100;
    if (kind < read) return await this.#found(this.#id());
    if (kind < read + update) return void (await this.#update(this.#id()));
    if (kind < read + update + insert) {
      const number = this.#nextNumber++;
      const { id, fields } = recordOf(number);
      await this.#store.insert(id, fields);
      this.#inserted.push(number);
      return undefined;
    }
    if (kind < read + update + insert + scan) {
      const count = 1 + Math.floor(this.#random() * MAX_SCAN);
      return await this.#store.scan!(this.#id(), count);
    }
    const id = this.#id();
    const found = await this.#found(id);
    await this.#update(id);
    return found;
  }

  async #found(id: string): Promise<Fields> {
    const found = await this.#store.read(id);
    if (found === undefined) throw new Error(`${this.#store.name} does not find ${id}`);
    return found;
  }

  async #update(id: string): Promise<void> {
    const field = `field${Math.floor(this.#random() * FIELDS)}`;
    await this.#store.update(id, field, TEXTS[Math.floor(this.#random() * TEXTS.length)]!);
  }

  #id(): string {
    const rank = this.#ranks[this.#nextRank++ % RANKS]!;
    if (this.#workload.asks === "zipf") return idOf(rank);
    const fromLast = this.#inserted.length - 1 - rank;
    return idOf(fromLast >= 0 ? this.#inserted[fromLast]! : this.#records + fromLast);
  }
}

/** What all stores must answer: the same in plain TypeScript. */
export class Model implements Store {
  readonly name = "the model";
  readonly #records = new Map<string, Record<string, string>>();

  async load(records: readonly { id: string; fields: Fields }[]): Promise<void> {
    for (const { id, fields } of records) this.#records.set(id, { id, ...fields });
  }

  async read(id: string): Promise<Fields | undefined> {
    return this.#records.get(id);
  }

  async update(id: string, field: string, value: string): Promise<void> {
    this.#records.set(id, { ...this.#records.get(id)!, [field]: value });
  }

  async insert(id: string, fields: Fields): Promise<void> {
    this.#records.set(id, { id, ...fields });
  }

  async scan(from: string, count: number): Promise<readonly Fields[]> {
    const ids = [...this.#records.keys()].filter((id) => id >= from).toSorted();
    return ids.slice(0, count).map((id) => this.#records.get(id)!);
  }
}
