import type { JsonValue } from "../base/document.ts";

/**
 * JSON text that is the same for equal values, whatever the order of their keys: exactly what PostgreSQL writes
 * for a `jsonb`. Keys go by length in bytes and then by bytes; numbers are written out without an exponent.
 * So both engines find the same arrays and objects equal, and the same one smallest.
 */
export function canonicalJson(value: JsonValue): string {
  if (typeof value === "number") return plainNumber(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(", ")}]`;
  const object = value as { readonly [name: string]: JsonValue };
  const members = Object.keys(object)
    .map((name) => ({ name, bytes: Buffer.from(name, "utf8") }))
    .sort((a, b) => a.bytes.length - b.bytes.length || Buffer.compare(a.bytes, b.bytes))
    .map(({ name }) => `${JSON.stringify(name)}: ${canonicalJson(object[name]!)}`);
  return `{${members.join(", ")}}`;
}

/** A finite number's shortest digits, without an exponent: 1e21 is 1 and 21 zeros. */
function plainNumber(value: number): string {
  const text = String(value);
  const e = text.indexOf("e");
  if (e === -1) return text;
  const sign = text.startsWith("-") ? "-" : "";
  const [whole, fraction = ""] = text.slice(sign.length, e).split(".") as [string, string?];
  const exponent = Number(text.slice(e + 1));
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${whole}${fraction}`;
  // JavaScript writes exponents from 21 on, and never so many digits after the point.
  return `${sign}${whole}${fraction}${"0".repeat(exponent - fraction.length)}`;
}
