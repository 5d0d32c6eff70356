/** What a number with a few places behind the point is multiplied by to be whole. */
const MILLION = 1_000_000;
/** Decimals of fewer than 16 digits and doubles stand for each other. */
const MAX_EXACT = 1e15;
/** So many digits of a quotient are worked out; a double has 17. */
const QUOTIENT_DIGITS = 30;

/**
 * A sum of numbers as JSON writes them: of their shortest decimals, exactly, rounded to a double once, when it is
 * read. Whole numbers and those of at most six places are added as doubles while that is exact, all others as big
 * integers by the number of their places.
 */
export class ExactSum {
  #count = 0;
  /** A sum of whole numbers. */
  #whole = 0;
  /** A sum in millionths. */
  #millionths = 0;
  /** Sums of units by how many places behind the point a unit is. */
  readonly #units = new Map<number, bigint>();

  add(value: number): void {
    this.#count++;
    if (Number.isSafeInteger(value)) {
      const whole = this.#whole + value;
      if (Number.isSafeInteger(whole)) {
        this.#whole = whole;
        return;
      }
      this.#addUnits(0, BigInt(this.#whole));
      this.#whole = value;
      return;
    }
    const scaled = Math.round(value * MILLION);
    if (Math.abs(scaled) >= MAX_EXACT || scaled / MILLION !== value) {
      this.#addDecimal(value);
      return;
    }
    const millionths = this.#millionths + scaled;
    if (Number.isSafeInteger(millionths)) {
      this.#millionths = millionths;
      return;
    }
    this.#addUnits(6, BigInt(this.#millionths));
    this.#millionths = scaled;
  }

  /** Null of no numbers; infinite beyond the greatest double. */
  get total(): number | null {
    if (this.#count === 0) return null;
    const { units, places } = this.#exact();
    return Number(`${units}e-${places}`);
  }

  /** The exact sum by the count, rounded once. Null of no numbers. */
  get average(): number | null {
    if (this.#count === 0) return null;
    const { units, places } = this.#exact();
    const count = BigInt(this.#count);
    const more = Math.max(0, QUOTIENT_DIGITS + String(count).length - String(units).length);
    const dividend = units * 10n ** BigInt(more);
    // A remainder is told by one more digit, so that what is not half-way between two doubles is not taken for that.
    const sticky = dividend % count === 0n ? "0" : "1";
    return Number(`${dividend / count}${sticky}e-${places + more + 1}`);
  }

  #addDecimal(value: number): void {
    const [mantissa, exponent = "0"] = String(value).split("e") as [string, string?];
    const point = mantissa.indexOf(".");
    const digits = point === -1 ? mantissa : mantissa.slice(0, point) + mantissa.slice(point + 1);
    const places = (point === -1 ? 0 : mantissa.length - point - 1) - Number(exponent);
    if (places >= 0) this.#addUnits(places, BigInt(digits));
    else this.#addUnits(0, BigInt(digits) * 10n ** BigInt(-places));
  }

  #addUnits(places: number, units: bigint): void {
    this.#units.set(places, (this.#units.get(places) ?? 0n) + units);
  }

  #exact(): { readonly units: bigint; readonly places: number } {
    const all: (readonly [number, bigint])[] = [
      [0, BigInt(this.#whole)],
      [6, BigInt(this.#millionths)],
      ...this.#units,
    ];
    const places = Math.max(...all.map(([each]) => each));
    const units = all.reduce((sum, [each, part]) => sum + part * 10n ** BigInt(places - each), 0n);
    return { units, places };
  }
}
