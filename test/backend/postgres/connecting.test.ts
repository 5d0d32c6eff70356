import { createHash, randomBytes } from "node:crypto";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { parseConnectionUrl, type TargetSessionAttrs } from "../../../src/backend/postgres/connection-url.ts";
import {
  type PostgresConnection,
  type PostgresOptions,
  postgresBackend,
} from "../../../src/backend/postgres/postgres-backend.ts";
import { open as openDatabase } from "../../../src/index.ts";
import { failure } from "../../support/failure.ts";
import { useFolder, usePostgres } from "../../support/hooks.ts";
import { OpenBackends, rowsOf, run } from "../../support/postgres-backends.ts";
import { giveAway } from "../../support/postgres-binaries.ts";
import { selfSignedCertificate } from "../../support/postgres-certificate.ts";
import {
  PASSWORD_ROLE,
  type PostgresServer,
  postgresVersions,
  ROLE,
  startPostgres,
} from "../../support/postgres-server.ts";
import { never, statement } from "../../support/statements.ts";

const open = new OpenBackends();

describe("a URL", () => {
  test("names hosts, ports, user, password and database", () => {
    const url = parseConnectionUrl(
      "postgres://ada:p%40ss:w@h1:5433,[::1],h3/app%20db?application_name=x&sslmode=no-verify",
    );
    expect(url).toMatchObject({
      hosts: [
        { host: "h1", port: 5433 },
        { host: "::1", port: 5432 },
        { host: "h3", port: 5432 },
      ],
      user: "ada",
      password: "p@ss:w",
      database: "app db",
      applicationName: "x",
      tlsGiven: true,
      tls: { required: true, options: { rejectUnauthorized: false } },
    });
    expect(url.safeUrl).toBe("postgres://ada@h1:5433,[::1]:5432,h3:5432/app%20db");
  });

  test("takes a connect_timeout that no timer can hold for the longest one", () => {
    const timeoutOf = (seconds: string): number | undefined =>
      parseConnectionUrl(`postgres://u@h/db?connect_timeout=${seconds}`).connectTimeoutMs;
    expect([timeoutOf("7"), timeoutOf("0"), timeoutOf("999999999")]).toEqual([7_000, undefined, 2 ** 31 - 1]);
  });

  test("may name hosts as libpq's parameters do, and the folder of a socket", () => {
    expect(parseConnectionUrl("postgresql:///db?host=a,b&port=1,2&user=u").hosts).toEqual([
      { host: "a", port: 1 },
      { host: "b", port: 2 },
    ]);
    expect(parseConnectionUrl("postgres://u@%2Fvar%2Frun/db").hosts).toEqual([
      { host: "/var/run", port: 5432 },
    ]);
  });

  test.each([
    ["postgres://u@h:99999/db", /port of host 1 of a PostgreSQL URL must be a number from 1 to 65535/],
    [
      "postgres://u@h/db?aplication_name=x",
      /parameter number 1 is not known; did you mean "application_name"\?/,
    ],
    ["postgres://u@h/db?zzz=x", /parameter number 1 is not known\. The parameters are host, /],
    [
      "postgres://u@h/db?ssl=true",
      /parameter number 1 is not known; say sslmode=require, or sslmode=disable\. The/,
    ],
    [
      "postgres://u@h/db?sslmode=disable&schema=app",
      /number 2 is not known; say options=-c%20search_path%3Dapp\. The/,
    ],
    ["postgres://u@h/db?target_session_attrs=master", /target_session_attrs must be one of any, read-write/],
    [
      "postgres://u@h/db?sslrootcert=/no/such/file",
      /file that a PostgreSQL URL's sslrootcert names can't be read: ENOENT/,
    ],
    ["mysql://u:secret@h/db", /must look like postgres:/],
  ])("that can't be understood is refused: %s", (url, message) => {
    expect(() => parseConnectionUrl(url)).toThrow(message);
  });
});

test.each<[PostgresOptions, RegExp]>([
  [
    { statementTimeOutMs: 1 } as PostgresOptions,
    /no option "statementTimeOutMs"; did you mean "statementTimeoutMs"\?/,
  ],
  [{ pgbouncer: true, statementTimeoutMs: 5 }, /statementTimeoutMs must be left out with pgbouncer/],
  [{ reads: "replica-if-fresh" }, /must not be "replica-if-fresh" with a single host/],
  [{ profile: "oracle" as "postgres" }, /profile must be one of "postgres"/],
  [{ profileOverrides: { copies: true } as object }, /no part "copies"/],
  [{ connectTimeoutMs: 0 }, /connectTimeoutMs must be a whole number/],
])("options that can't be are refused: %j", (options, message) => {
  expect(() => postgresBackend("postgres://u@h/db", options)).toThrow(message);
});

describe.each(postgresVersions())("connecting to PostgreSQL (%s)", (version) => {
  const primary = usePostgres({ version });
  let standby: PostgresServer;

  beforeAll(async () => {
    await primary.query(`CREATE ROLE ${PASSWORD_ROLE} LOGIN PASSWORD 'right'`);
    await (await open.start(primary.url)).stop();
    standby = await startPostgres({ standbyOf: primary });
  });
  afterAll(() => standby.remove());

  function both(parameters = ""): string {
    return `postgres://${ROLE}@127.0.0.1:${standby.port},127.0.0.1:${primary.port}/postgres${parameters}`;
  }

  function connectError(url: string, options: PostgresOptions = {}): ReturnType<typeof failure> {
    return failure(postgresBackend(url, options).connect("write", never));
  }

  test("says which host did not answer, and why", async () => {
    const error = await connectError("postgres://u@127.0.0.1:1/db");
    expect(error).toMatchObject({ code: "FORMDB_CONNECT_FAILED", retryable: true });
    expect(error.message).toMatch(/as u to database db: 127\.0\.0\.1:1: .*ECONNREFUSED/);
  });

  test("tells a wrong password, a missing role and a missing database, which asking again can't help", async () => {
    const at = `127.0.0.1:${primary.port}`;
    const wrong = await connectError(`postgres://${PASSWORD_ROLE}:wrong@${at}/postgres`);
    expect(wrong).toMatchObject({ code: "FORMDB_CONNECT_FAILED", sqlstate: "28P01", retryable: false });
    expect(wrong.message).toMatch(new RegExp(`${at}: password authentication failed`));
    expect(wrong.message).not.toMatch(/wrong@|:wrong/);
    expect(await connectError(`postgres://${PASSWORD_ROLE}@${at}/postgres`)).toMatchObject({
      retryable: false,
      message: expect.stringMatching(
        /the server asks for a password, and none was given; put it into the URL/,
      ),
    });
    expect(await connectError(`postgres://nobody_here@${at}/postgres`)).toMatchObject({ sqlstate: "28000" });
    expect(await connectError(`postgres://${ROLE}@${at}/nowhere`)).toMatchObject({
      sqlstate: "3D000",
      retryable: false,
    });
  });

  test("asks a password function anew each time", async () => {
    let asked = 0;
    const backend = postgresBackend(`postgres://${PASSWORD_ROLE}@127.0.0.1:${primary.port}/postgres`, {
      password: async () => (++asked === 2 ? "expired" : "right"),
    });
    await open.connect(backend);
    expect(await failure(backend.connect("write", never))).toMatchObject({ sqlstate: "28P01" });
    await open.connect(backend);
    expect(asked).toBe(3);
  });

  test("answers each server's own salt, though the password comes later than what other sockets read", async () => {
    const md5 = (...parts: readonly (string | Buffer)[]): string =>
      parts.reduce((hash, part) => hash.update(part), createHash("md5")).digest("hex");
    const areRight: boolean[] = [];
    const server = createServer((socket) => {
      const salt = randomBytes(4);
      socket.once("data", () => {
        socket.write(Buffer.concat([Buffer.from("R\0\0\0\x0c\0\0\0\x05", "latin1"), salt]));
        socket.once("data", (answer: Buffer) => {
          areRight.push(answer.includes(`md5${md5(md5("secret", "u"), salt)}`));
          socket.destroy();
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const allAsked = Promise.withResolvers<void>();
    let asked = 0;
    const backend = postgresBackend(`postgres://u@127.0.0.1:${port}/db?sslmode=disable`, {
      password: async () => {
        if (++asked === 3) allAsked.resolve();
        await allAsked.promise;
        return "secret";
      },
    });
    await Promise.all([1, 2, 3].map(() => failure(backend.connect("write", never))));
    server.close();
    expect(areRight).toEqual([true, true, true]);
  });

  test("says that a server refuses TLS, or goes on without where that is allowed", async () => {
    const refused = await connectError(`${primary.url}?sslmode=require`);
    expect(refused.message).toMatch(/does not support SSL/);
    expect(refused).toMatchObject({ code: "FORMDB_CONNECT_FAILED", retryable: false });
    const connection = await open.connect(postgresBackend(`${primary.url}?sslmode=prefer`));
    expect(await connection.ping()).toBe(true);
  });

  test("gives up on a host that takes connections and says nothing", async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as { port: number };
    const error = await connectError(`postgres://u@127.0.0.1:${port}/db`, { connectTimeoutMs: 80 });
    expect(error.message).toMatch(/did not answer in time/);
    const controller = new AbortController();
    const call = failure(
      postgresBackend(`postgres://u@127.0.0.1:${port}/db`).connect("write", controller.signal),
    );
    controller.abort();
    expect(await call).toMatchObject({ code: "FORMDB_ABORTED" });
    silent.close();
  });

  test.each<[TargetSessionAttrs, "primary" | "standby"]>([
    ["read-write", "primary"],
    ["primary", "primary"],
    ["standby", "standby"],
    ["read-only", "standby"],
    ["prefer-standby", "standby"],
  ])("with several hosts and %s ends up on the %s", async (target, role) => {
    for (const url of [both(`?target_session_attrs=${target}`), both()]) {
      const backend = postgresBackend(url, url === both() ? { targetSessionAttrs: target } : {});
      for (let i = 0; i < 3; i++) {
        const connection = await open.connect(backend);
        expect(connection.standby).toBe(role === "standby");
        expect(connection.host).toBe(`127.0.0.1:${(role === "standby" ? standby : primary).port}`);
      }
    }
  });

  test("with several hosts finds the one for writes by itself, and spreads over equal ones", async () => {
    const connection = await open.connect(postgresBackend(both()));
    expect(connection.standby).toBe(false);
    const any = postgresBackend(both("?target_session_attrs=any"));
    const hosts = [];
    for (let i = 0; i < 6; i++) hosts.push((await open.connect(any)).host);
    expect(hosts.filter((host) => host.endsWith(`:${primary.port}`))).toHaveLength(3);
  });

  test("prefers a standby but takes a primary, and says where none fits", async () => {
    const connection = await open.connect(
      postgresBackend(`${primary.url}?target_session_attrs=prefer-standby`),
    );
    expect(connection.standby).toBe(false);
    const error = await connectError(`${primary.url}?target_session_attrs=standby`);
    expect(error.message).toMatch(/it is a primary/);
    expect((await connectError(`${standby.url}?target_session_attrs=read-write`)).message).toMatch(
      /it takes no writes/,
    );
  });

  test("a session that takes no writes stays of use though it forgets no tokens", async () => {
    const readOnly = `${primary.url}?options=-c%20default_transaction_read_only%3Don`;
    for (const url of [standby.url, readOnly]) {
      const connection = await open.connect(postgresBackend(url));
      await connection.pruneTokens(60_000);
      expect(connection.usable).toBe(true);
    }
  });

  test("skips a host that is gone", async () => {
    const backend = postgresBackend(`postgres://${ROLE}@127.0.0.1:1,127.0.0.1:${primary.port}/postgres`);
    for (let i = 0; i < 3; i++)
      expect((await open.connect(backend)).host).toMatch(new RegExp(`:${primary.port}$`));
  });

  test("reads come from a standby where that is asked for, and know when it is behind", async () => {
    const backend = await open.start(both(), { reads: "replica-if-fresh" });
    expect(backend.separateWriter).toBe(true);
    const writer = await open.connect(backend, "write");
    const reader = await open.connect(backend, "read");
    expect([writer.standby, reader.standby]).toEqual([false, true]);
    expect(await reader.isFresh!()).toBe(true);
    await run(writer, "CREATE TABLE IF NOT EXISTS seen (n int)");
    await standby.query("SELECT pg_wal_replay_pause()");
    await writer.execute(statement("INSERT INTO seen VALUES (1)", { returnsRows: false }), []);
    expect(await reader.isFresh!()).toBe(false);
    // The primary need not be asked.
    expect(writer.isFresh).toBeUndefined();
    await standby.query("SELECT pg_wal_replay_resume()");
    while (!(await reader.isFresh!()));
    expect(await rowsOf(reader, "SELECT n FROM seen")).toEqual([[1]]);
  });

  test("readers that connect at once to a standby without TLS all get it", async () => {
    const hosts = `127.0.0.1:${primary.port},127.0.0.1:${standby.port}`;
    const backend = await open.start(`postgres://${ROLE}@${hosts}/postgres`, { reads: "replica" });
    const readers = await Promise.all([1, 2, 3].map(() => open.connect(backend, "read")));
    expect(readers.map((reader) => reader.standby)).toEqual([true, true, true]);
  });

  describe("while a standby is behind", () => {
    afterEach(() => standby.query("SELECT pg_wal_replay_resume()"));

    const insert = (connection: PostgresConnection): Promise<unknown> =>
      connection.execute(statement("INSERT INTO behind VALUES (1)", { returnsRows: false }), []);

    test("it shows not what this process writes as it is asked", async () => {
      const backend = await open.start(both(), { reads: "replica-if-fresh" });
      const writer = await open.connect(backend, "write");
      const reader = await open.connect(backend, "read");
      await run(writer, "CREATE TABLE behind (n int)");
      await insert(writer);
      while (!(await reader.isFresh!()));
      await standby.query("SELECT pg_wal_replay_pause()");
      vi.spyOn(reader, "caughtUp").mockImplementationOnce(async () => {
        await insert(writer);
        return true;
      });
      expect(await reader.isFresh!()).toBe(false);
    });

    test("it shows not what a token says that this process has written", async () => {
      const lost = await open.start(both());
      await run(await open.connect(lost), ...lost.dialect.ddl.createCollection("looked_up"));
      const backend = await open.start(both(), { reads: "replica-if-fresh" });
      const writer = await open.connect(backend, "write");
      const reader = await open.connect(backend, "read");
      await standby.query("SELECT pg_wal_replay_pause()");
      const group = {
        kind: "insert",
        collection: "looked_up",
        ids: ["1"],
        json: ["{}"],
        token: "t",
      } as const;
      await (await open.connect(lost)).write(group);
      expect(await writer.lookUpToken(group)).toEqual({ missing: [], rejected: [] });
      expect(await reader.isFresh!()).toBe(false);
    });

    test("it shows not what was written where the primary could not say how far that is", async () => {
      const backend = await open.start(both(), { reads: "replica-if-fresh" });
      const writer = await open.connect(backend, "write");
      const reader = await open.connect(backend, "read");
      await run(writer, "CREATE TABLE IF NOT EXISTS behind (n int)");
      vi.spyOn(writer, "lsn").mockRejectedValueOnce(new Error("no answer"));
      await insert(writer);
      expect(await reader.isFresh!()).toBe(false);
      await insert(writer);
      while (!(await reader.isFresh!()));
    });

    test("streams go to the primary, as other reads do", async () => {
      await using db = await openDatabase(both(), { postgres: { reads: "replica-if-fresh" } });
      await db.insert("streamed", { id: "1" });
      await standby.query("SELECT pg_wal_replay_pause()");
      await db.insert("streamed", { id: "2" });
      const ids: unknown[] = [];
      for await (const { id } of db.stream("SELECT id FROM streamed ORDER BY id")) ids.push(id);
      expect(ids).toEqual(["1", "2"]);
      expect(db.stats().pool).toMatchObject({ inUse: 0 });
    });
  });

  describe("over TLS", () => {
    const folder = useFolder();
    let secure: PostgresServer;
    beforeAll(async () => {
      const made = selfSignedCertificate();
      const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
      writeFileSync(key, made.key, { mode: 0o600 });
      writeFileSync(cert, made.cert);
      chmodSync(folder, 0o755);
      giveAway(key);
      secure = await startPostgres({
        version,
        settings: { ssl: "on", ssl_key_file: key, ssl_cert_file: cert },
      });
    });
    afterAll(() => secure.remove());

    test("encrypts, and cancels encrypted", async () => {
      const backend = await open.start(
        `${secure.url}?sslmode=verify-full&sslrootcert=${join(folder, "cert.pem")}`,
      );
      const connection = await open.connect(backend);
      const rows = await run(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
      expect(rows).toEqual([[true]]);
      const error = await failure(
        connection.execute(statement("SELECT pg_sleep(30)"), [], { timeoutMs: 50 }),
      );
      expect(error).toMatchObject({ code: "FORMDB_TIMEOUT" });
      expect(await connection.ping()).toBe(true);
    });

    test("is used without a word in the URL wherever the server can, as libpq's prefer", async () => {
      const connection = await open.connect(await open.start(secure.url));
      const rows = await run(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
      expect(rows).toEqual([[true]]);
    });

    test("refuses a certificate that nobody vouches for", async () => {
      const error = await connectError(secure.url, { tls: true });
      expect(error).toMatchObject({ code: "FORMDB_CONNECT_FAILED", retryable: false });
      expect(error.message).toMatch(/self.signed certificate/i);
      const connection = await open.connect(
        postgresBackend(secure.url, { tls: { ca: readFileSync(join(folder, "cert.pem")) } }),
      );
      expect(await connection.ping()).toBe(true);
    });
  });
});

test("a server that takes no connections now has its open ones replaced, one that is not there has not", async () => {
  const fields = ["SFATAL", "VFATAL", "C57P03", "Mthe database system is shutting down", ""].join("\0");
  const refusal = Buffer.concat([Buffer.from("E"), Buffer.alloc(4), Buffer.from(`${fields}\0`)]);
  refusal.writeInt32BE(refusal.length - 1, 1);
  const goesAway = createServer((socket) =>
    socket.on("error", () => {}).once("data", () => socket.end(refusal)),
  );
  await new Promise<void>((resolve) => goesAway.listen(0, "127.0.0.1", resolve));
  const { port } = goesAway.address() as { port: number };
  const backend = postgresBackend(`postgres://u@127.0.0.1:${port}/d?sslmode=disable`);
  const saysSo = await failure(backend.connect("write", never));
  await new Promise((resolve) => goesAway.close(resolve));
  const isGone = await failure(backend.connect("write", never));
  expect(saysSo).toMatchObject({ code: "FORMDB_CONNECT_FAILED", sqlstate: "57P03" });
  expect([saysSo, isGone].map((error) => backend.invalidatesPool(error))).toEqual([true, false]);
});
