import { inspect } from "node:util";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { postgresBackend } from "../../../src/backend/postgres/postgres-backend.ts";

/** All that a person or a log may come to see of an error. */
function shown(error: unknown): string {
  const seen: string[] = [];
  for (let e = error as (Error & Record<string, unknown>) | undefined; e; e = e.cause as typeof e) {
    seen.push(e.message, String(e.stack), JSON.stringify(e), inspect(e, { depth: 8, showHidden: true }));
  }
  return seen.join("\n");
}

/** What a backend shows of its URL, or the error that refuses it. */
function outcome(url: string): string {
  try {
    return postgresBackend(url).safeUrl;
  } catch (error) {
    return shown(error);
  }
}

/**
 * Two markers that no message contains by itself, with a special character between them. An @ is not among these: with it
 * `app:a@b/db` is a well-formed URL of the host b.
 */
const password = fc
  .tuple(
    fc.constantFrom("/", "?", "#", "%", ":", ";", "&", " ", '"', "\\", "ü", "="),
    fc.stringMatching(/^[a-z]{0,4}$/),
    fc.nat(999),
  )
  .map(([special, word, n]) => ({
    text: `QX${word}${n}${special}ZJ${n}${word}`,
    parts: [`QX${word}${n}`, `ZJ${n}${word}`],
  }));

const places: readonly ((secret: string) => string)[] = [
  (secret) => `postgres://app:${secret}@h/db`,
  (secret) => `postgres://app:${secret}/@h/db`,
  (secret) => `postgres://app:1/${secret}@h:5432/db`,
  (secret) => `postgres://app:${secret}`,
  (secret) => `postgres://app:${secret}/db`,
  (secret) => `postgres://app:${secret}@h:x/db`,
  (secret) => `postgres://app:${secret}@h:99999/db`,
  (secret) => `postgres://app:${secret}@h/db?sslmode=maybe`,
  (secret) => `postgres://h/db?user=u;password=${secret}`,
  (secret) => `postgres://h/db?user=u&password=${secret}`,
  (secret) => `postgres://h/db?user=u&passwort=${secret}`,
  (secret) => `postgres://h/db?${secret}`,
  (secret) => `postgres://h/db?sslmode=${secret}`,
  (secret) => `postgres://h/db?connect_timeout=${secret}`,
  (secret) => `postgres://h/db?sslrootcert=${secret}`,
  (secret) => `postgres://h/db?pgbouncer=${secret}`,
  (secret) => `postgres:/app:${secret}@h/db`,
  (secret) => `postgres:app:${secret}@h/db`,
  (secret) => `mysql://app:${secret}@h/db`,
];

describe("a PostgreSQL URL's password", () => {
  test("is in no error and in no URL that is shown, wherever it stands in a wrong URL", () => {
    fc.assert(
      fc.property(password, fc.constantFrom(...places), ({ text, parts }, place) => {
        const seen = outcome(place(text));
        for (const part of parts) expect(seen).not.toContain(part);
      }),
      { numRuns: 2_000 },
    );
  });

  test("that cuts a URL short is named as what to mend", () => {
    for (const url of ["postgres://app:a/b@h/db", "postgres://app:a?b@h/db", "postgres://app:a#b@h/db"]) {
      expect(() => postgresBackend(url)).toThrow(/Percent-encode the password/);
    }
  });

  test("is read with every character when it is percent-encoded, and an @ in a parameter's value stays one", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (secret) => {
        fc.pre(secret.isWellFormed());
        const url = `postgres://app:${encodeURIComponent(secret)}@h/db?application_name=a@b`;
        expect(postgresBackend(url).safeUrl).toBe("postgres://app@h:5432/db");
      }),
    );
  });
});
