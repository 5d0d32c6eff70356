import { readdirSync } from "node:fs";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { postgresBackend } from "../../../src/backend/postgres/postgres-backend.ts";
import { open } from "../../../src/index.ts";
import { failure } from "../../support/failure.ts";

/** Wrong places for a password, each in a text that can't be taken apart as it was meant. */
const WRONG: readonly ((secret: string) => string)[] = [
  (s) => `postgres://app:${s}/@h/db`,
  (s) => `postgres://app:a/${s}@h/db`,
  (s) => `postgres://app:1/${s}@h/db`,
  (s) => `postgres://app:a?${s}@h/db`,
  (s) => `postgres://app:a#${s}@h/db`,
  (s) => `postgres://app:%${s}@h:port/db`,
  (s) => `postgres://app:${s}/db`,
  (s) => `postgres://app:${s}@h:99999/db`,
  (s) => `postgres://h/db?user=u;password=${s}`,
  (s) => `postgres://h/db&password=${s}`,
  (s) => `postgres://h/db?password=a&${s}`,
  (s) => `postgres://h/db?pasword=${s}`,
  (s) => `postgres://h/db password=${s}`,
  (s) => `postgres://h/db?sslmode=${s}`,
  (s) => `postgres://h/db?sslrootcert=/${s}`,
  (s) => `postgres://h/db?connect_timeout=${s}`,
  (s) => `postgres://app;password=${s}@h/db`,
  (s) => `postgres:app:${s}@h/db`,
  (s) => `postgres:/app:${s}@h/db`,
  (s) => `postgres//app:${s}@h/db`,
  (s) => `postgre://app:${s}@h/db`,
  (s) => `mysql://app:${s}@h/db`,
  (s) => `${s}://app:x@h/db`,
  (s) => `app:${s}@h/db`,
  (s) => `//app:${s}@h/db`,
  (s) => ` postgres://app:${s}@h/db`,
  (s) => `"postgres://app:${s}@h/db"`,
  (s) => `'postgres://app:${s}@h/db'`,
  (s) => `DATABASE_URL=postgres://app:${s}@h/db`,
  (s) => `host=h password=${s}`,
  (s) => `user = app password = ${s}`,
  (s) => `Server=h;User Id=app;Password=${s}`,
  (s) => `PGPASSWORD=${s}`,
  (s) => `sqlite:postgres://app:${s}@h/db`,
  (s) => `sqlite:app:${s}@h/db`,
];

/** No word of the messages contains one of these: each begins with letters that no message has in this order. */
const secrets = fc
  .string({ minLength: 3, maxLength: 12, unit: fc.constantFrom(..."abXYZ0189-_.~!$*+,()") })
  .map((text) => `zQ${text}`);

function everything(error: Error): string {
  const texts: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    texts.push(at.message, at.stack ?? "", JSON.stringify(at), inspect(at, { depth: 9, showHidden: true }));
  }
  return texts.join("\n");
}

test("no part of a password shows in the error for a wrong URL, wherever it stands, and no file gets its name", async () => {
  const before = readdirSync(".");
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...WRONG), secrets, async (place, secret) => {
      const error = await failure(open(place(secret)));
      expect(error).toMatchObject({ code: "FORMDB_CONFIG", retryable: false });
      // The stack's first lines are the message; where the call was made has no part of the URL.
      expect(everything(error)).not.toContain("zQ");
    }),
    { numRuns: 1_500 },
  );
  expect(readdirSync(".")).toEqual(before);
});

test("the URL that is shown has neither the password nor a name with characters that belong to one", () => {
  fc.assert(
    fc.property(secrets, (secret) => {
      for (const url of [
        `postgres://app:${encodeURIComponent(secret)}@h/db`,
        `postgres://h/db?user=app&password=${encodeURIComponent(secret)}`,
        `postgres://app%3A${encodeURIComponent(secret)}@h/db`,
        `postgres://app@h/db%3Fpassword=${encodeURIComponent(secret)}`.replace("=", "%3D"),
        `postgres://h/db?application_name=${encodeURIComponent(secret)}`,
      ]) {
        expect(postgresBackend(url).safeUrl).not.toContain("zQ");
      }
    }),
  );
});

describe("an option that holds a secret", () => {
  test.each([{ password: 8_675_309 }, { password: "" }, { tls: "8675309" }, { pasword: "8675309" }])(
    "is refused without its value: %j",
    async (options) => {
      const error = await failure(open("postgres://u@h/db", { postgres: options as object }));
      expect(error).toMatchObject({ code: "FORMDB_CONFIG" });
      expect(everything(error)).not.toContain("8675309");
    },
  );
});

test.each([
  ["postgres://h/db?sslmode=verify-full", { tls: false }],
  ["postgres://h/db?sslmode=require", { tls: false }],
  ["postgres://h/db?sslmode=disable", { tls: true }],
  ["postgres://h/db?sslmode=disable", { tls: false }],
  ["postgres://h/db?sslmode=verify-ca", { tls: { rejectUnauthorized: false } }],
])("an option tls beside a URL that says how to encrypt is refused: %s beside %j", (url, options) => {
  expect(() => postgresBackend(url, options)).toThrow(
    /option tls must be left out where the URL itself says how to encrypt/,
  );
});

test.each(["sslnegotiation=direct", "channel_binding=require", "sslmode=disable&sslnegotiation=direct"])(
  "%s is refused where encryption may be left out",
  (search) => {
    expect(() => postgresBackend(`postgres://h/db?${search}`)).toThrow(/sslmode must be require or stricter/);
  },
);

describe("a PostgreSQL URL's password", () => {
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

test.each([
  ["target_session_attrs=readonly", /; did you mean "read-only"\?$/],
  ["sslmode=requre", /; did you mean "require"\?$/],
  ["sslmode=on", /verify-full$/],
  ["statement_timeout=5s", /must be a number of milliseconds in at most nine digits, without a unit$/],
  ["connect_timeout=5s", /must be a number of seconds in at most nine digits, without a unit$/],
])("the error of %s says what was meant, or what is taken", async (parameter, message) => {
  const error = await failure(open(`postgres://h/db?${parameter}`));
  expect(error).toMatchObject({ code: "FORMDB_CONFIG", message: expect.stringMatching(message) });
});
