import { encodeNumber } from "./conditions.ts";

/** What a number with a few places behind the point is multiplied by to be whole. */
const MILLIONTHS = 6;
/** Millionths come in two parts, the higher one in units of two to this power. */
const HIGH_PART = 20n;
/** So many digits of a quotient are worked out; a double has 17. */
const QUOTIENT_DIGITS = 30;

/** `units` times ten to the power of minus `places`. */
interface Decimal {
  readonly units: bigint;
  readonly places: number;
}

/** Digits of a double's shortest decimal that are added as its lower part; the upper part then has at most nine. */
const LOW_DIGITS = 8;
/** Numbers from here on may have more. */
const TOO_LARGE = 1e9;
/** So many parts of nine digits are added exactly by a double. */
const MAX_PARTS = 4_000_000;

/** A sum of decimals with the same number of places, each in two parts, so that doubles can add them. */
interface Parts {
  count: number;
  high: number;
  low: number;
}

/**
 * An exact sum of numbers from their JSON texts: of the shortest decimals of the doubles that those stand for. Doubles
 * add what they can exactly, big integers the rest.
 */
export class ExactSum {
  #count = 0;
  #whole = 0;
  readonly #parts: Parts[] = [];
  /** Sums of units by how many places behind the point a unit is. */
  readonly #units = new Map<number, bigint>();

  add(text: string): void {
    this.#count++;
    const value = Number(text);
    if (!Number.isSafeInteger(value)) {
      this.#addDecimal(value);
      return;
    }
    const whole = this.#whole + value;
    if (Number.isSafeInteger(whole)) {
      this.#whole = whole;
      return;
    }
    this.#addUnits(0, BigInt(this.#whole));
    this.#whole = value;
  }

  /** As units, `e-` and places. Null of no numbers. */
  get total(): string | null {
    if (this.#count === 0) return null;
    for (const places of this.#parts.keys()) this.#flush(places);
    const decimals = [...this.#units].map(([places, units]): Decimal => ({ places, units }));
    const { units, places } = added([{ units: BigInt(this.#whole), places: 0 }, ...decimals]);
    return `${units}e-${places}`;
  }

  #addDecimal(value: number): void {
    const text = String(value);
    const point = text.indexOf(".");
    if (point === -1 || Math.abs(value) >= TOO_LARGE || text.includes("e")) {
      this.#addScientific(text);
      return;
    }
    const places = text.length - point - 1;
    this.#parts[places] ??= { count: 0, high: 0, low: 0 };
    const parts = this.#parts[places];
    const cut = places > LOW_DIGITS ? text.length - LOW_DIGITS : point + 1;
    const low = Number(text.slice(cut));
    parts.low += value < 0 ? -low : low;
    parts.high += Number(text.slice(0, point) + text.slice(point + 1, cut));
    parts.count++;
    if (parts.count === MAX_PARTS) this.#flush(places);
  }

  #addScientific(text: string): void {
    const [mantissa, exponent = "0"] = text.split("e") as [string, string?];
    const [whole, fraction = ""] = mantissa.split(".") as [string, string?];
    const places = fraction.length - Number(exponent);
    const units = BigInt(whole + fraction);
    if (places >= 0) this.#addUnits(places, units);
    else this.#addUnits(0, units * 10n ** BigInt(-places));
  }

  #flush(places: number): void {
    const parts = this.#parts[places];
    if (parts === undefined) return;
    const scale = 10n ** BigInt(Math.min(places, LOW_DIGITS));
    this.#addUnits(places, BigInt(parts.high) * scale + BigInt(parts.low));
    delete this.#parts[places];
  }

  #addUnits(places: number, units: bigint): void {
    this.#units.set(places, (this.#units.get(places) ?? 0n) + units);
  }
}

/**
 * A sum of millionths in two parts, each null of no numbers, and of what an `ExactSum` has, rounded to a double once.
 * Null of no numbers; infinite beyond the greatest double; else as SQLite reads it from a document, so that both compare alike.
 */
export function roundedSum(
  high: string | null,
  low: string | null,
  rest: string | null,
): number | bigint | null {
  const parts = partsOf(high, low, rest);
  if (parts.length === 0) return null;
  const { units, places } = added(parts);
  return encodeNumber(Number(`${units}e-${places}`));
}

/** The same, divided by the count of the numbers before it is rounded. */
export function roundedAverage(
  high: string | null,
  low: string | null,
  rest: string | null,
  numbers: string | null,
): number | bigint | null {
  const parts = partsOf(high, low, rest);
  if (parts.length === 0) return null;
  const { units, places } = added(parts);
  const count = BigInt(numbers!);
  const more = Math.max(0, QUOTIENT_DIGITS + String(count).length - String(units).length);
  const dividend = units * 10n ** BigInt(more);
  // A remainder is told by one more digit, so that what is not half-way between two doubles is not taken for that.
  const sticky = dividend % count === 0n ? "0" : "1";
  return encodeNumber(Number(`${dividend / count}${sticky}e-${places + more + 1}`));
}

function partsOf(high: string | null, low: string | null, rest: string | null): Decimal[] {
  const parts: Decimal[] = [];
  if (high !== null && low !== null) {
    parts.push({ units: (BigInt(high) << HIGH_PART) + BigInt(low), places: MILLIONTHS });
  }
  if (rest !== null) {
    const [units, places] = rest.split("e-") as [string, string];
    parts.push({ units: BigInt(units), places: Number(places) });
  }
  return parts;
}

function added(parts: readonly Decimal[]): Decimal {
  const places = Math.max(...parts.map((part) => part.places));
  const units = parts.reduce((sum, part) => sum + part.units * 10n ** BigInt(places - part.places), 0n);
  return { units, places };
}
