import { abortedError, bounded } from "../../base/abort.ts";
import { shownName } from "../../base/database-url.ts";
import { FormDBError } from "../../base/errors.ts";
import type { TargetSessionAttrs } from "./connection-url.ts";
import { Exchange } from "./exchange.ts";
import { type Host, HostRing } from "./host-ring.ts";
import type { PostgresSettings } from "./postgres-options.ts";
import { ruleOf } from "./sqlstates.ts";
import type { TlsPolicy } from "./tls-policy.ts";
import { reasonOf, sqlstateOf } from "./translate-error.ts";
import { newClient, refuseCleartextPassword, type WireClient } from "./wire.ts";

/** A session on one of the hosts. */
export interface OpenSession {
  readonly client: WireClient;
  readonly host: Host;
  /** Whether the server follows another one. */
  readonly standby: boolean;
  /** Settings that the other side would not take while connecting, for `applySettings`. */
  readonly unset: Settings;
}

/** Settings of a session, by name. */
type Settings = ReadonlyMap<string, string>;

const NO_SETTINGS: Settings = new Map();

interface Failure {
  readonly host: Host;
  readonly reason: string;
  readonly sqlstate: string | undefined;
  /** Whether it may pass. */
  readonly passing: boolean;
  readonly cause: unknown;
}

/** After so long without traffic TCP asks whether the peer is there; ten tries a second apart without an answer end it. */
const KEEP_ALIVE_DELAY_MS = 10_000;

/** Opens sessions on the hosts of a URL, on one that is what the caller is after. */
export class SessionOpener {
  readonly #settings: PostgresSettings;
  readonly #ring: HostRing;

  constructor(settings: PostgresSettings) {
    this.#settings = settings;
    this.#ring = new HostRing(settings.url.hosts, settings.url.randomOrder, settings.clock);
  }

  /**
   * A session on the first fitting host. Throws `FORMDB_CONNECT_FAILED` with what each host said, and
   * `FORMDB_ABORTED`.
   */
  async open(target: TargetSessionAttrs, options: string, signal: AbortSignal): Promise<OpenSession> {
    const failures: Failure[] = [];
    let second: OpenSession | undefined;
    for (const host of this.#ring.order(wantsStandby(target))) {
      if (signal.aborted) break;
      const session = await this.#try(host, options, signal, failures);
      if (session === undefined) continue;
      let misfit: string | undefined;
      try {
        misfit = await this.#inTime(this.#misfit(session, target), signal);
      } catch (error) {
        session.client.connection.stream.destroy();
        if (signal.aborted) break;
        this.#ring.failed(host);
        failures.push(describe(host, error));
        continue;
      }
      if (misfit === undefined) {
        if (second !== undefined) this.#drop(second);
        return session;
      }
      if (target === "prefer-standby" && second === undefined) {
        second = session;
        continue;
      }
      this.#drop(session);
      failures.push({ host, reason: misfit, sqlstate: undefined, passing: true, cause: undefined });
    }
    if (second !== undefined) return second;
    throw signal.aborted ? abortedError("Connecting to PostgreSQL", signal) : this.#failed(target, failures);
  }

  /** Waits for what a host says of itself no longer than for a connection to it. */
  #inTime<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
    const { clock, connectTimeoutMs } = this.#settings;
    return bounded("Asking what the server is", answer, clock, { signal, timeoutMs: connectTimeoutMs });
  }

  async #try(
    host: Host,
    options: string,
    signal: AbortSignal,
    failures: Failure[],
  ): Promise<OpenSession | undefined> {
    // At most two lessons: that the host can't encrypt, and that it takes no settings at the start.
    for (;;) {
      // Another session may learn the same meanwhile: what counts is how this one asked.
      const { plainOnly, settingsAfterwards } = host;
      try {
        return await this.#connect(host, options, signal);
      } catch (error) {
        if (signal.aborted) return undefined;
        if (this.#learns(host, { plainOnly, settingsAfterwards }, reasonOf(error))) continue;
        this.#ring.failed(host);
        failures.push(describe(host, error));
        return undefined;
      }
    }
  }

  /** Whether a failure says how the host wants to be connected to, so that another try makes sense at once. */
  #learns(host: Host, asked: Pick<Host, "plainOnly" | "settingsAfterwards">, reason: string): boolean {
    if (!asked.plainOnly && this.#settings.tls?.required === false && /does not support SSL/.test(reason)) {
      host.plainOnly = true;
      return true;
    }
    if (!asked.settingsAfterwards && /unsupported startup parameter/.test(reason)) {
      host.settingsAfterwards = true;
      return true;
    }
    return false;
  }

  #tlsFor({ address, plainOnly }: Host): TlsPolicy | undefined {
    const { tls } = this.#settings;
    // Nobody listens on a Unix socket: like libpq, `prefer` does not encrypt there.
    return tls?.required === false && (plainOnly || address.host.startsWith("/")) ? undefined : tls;
  }

  async #connect(host: Host, options: string, signal: AbortSignal): Promise<OpenSession> {
    const { url, password, applicationName, statementTimeoutMs, connectTimeoutMs, pgbouncer } =
      this.#settings;
    const tls = this.#tlsFor(host);
    const sessionOptions = pgbouncer === true ? "" : [options, url.sessionOptions ?? ""].join(" ").trim();
    const atStart = {
      ...(statementTimeoutMs > 0 ? { statement_timeout: statementTimeoutMs } : {}),
      ...(sessionOptions === "" ? {} : { options: sessionOptions }),
    };
    const client = newClient({
      ...host.address,
      user: url.user,
      database: url.database,
      password: password ?? null,
      ssl: tls === undefined ? false : { ...tls.options },
      ...(tls !== undefined && url.directTls ? { sslnegotiation: "direct" } : {}),
      enableChannelBinding: url.channelBinding,
      application_name: applicationName,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
      connectionTimeoutMillis: connectTimeoutMs,
      ...(host.settingsAfterwards ? {} : atStart),
    });
    if (!this.#settings.allowCleartextPassword && !host.address.host.startsWith("/")) {
      refuseCleartextPassword(client);
    }
    let standby: boolean | undefined;
    client.connection.on("parameterStatus", (message: { parameterName: string; parameterValue: string }) => {
      if (message.parameterName === "in_hot_standby") standby = message.parameterValue === "on";
    });
    // Errors reach the caller through the promise; without a listener they would end the process.
    client.on("error", () => {});
    const onAbort = (): void => client.connection.stream.destroy(new Error("aborted"));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await client.connect();
      host.open++;
      client.on("end", () => host.open--);
      standby ??= await this.#inTime(isStandby(client), signal);
      this.#ring.succeeded(host, standby);
      const unset = host.settingsAfterwards ? readSettings(sessionOptions, statementTimeoutMs) : NO_SETTINGS;
      return { client, host, standby, unset };
    } catch (error) {
      client.connection.stream.destroy();
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Why a session is not what is wanted; undefined where it is. */
  async #misfit({ client, standby }: OpenSession, target: TargetSessionAttrs): Promise<string | undefined> {
    switch (target) {
      case "any":
        return undefined;
      case "primary":
        return standby ? "it is a standby" : undefined;
      case "standby":
      case "prefer-standby":
        return standby ? undefined : "it is a primary";
      case "read-write":
      case "read-only": {
        const readOnly = standby || (await ask(client, "SHOW transaction_read_only")) === "on";
        if (target === "read-only") return readOnly ? undefined : "it takes writes";
        return readOnly ? "it takes no writes" : undefined;
      }
      default:
        return target satisfies never;
    }
  }

  #drop({ client }: OpenSession): void {
    client.end().catch(() => {});
  }

  #failed(target: TargetSessionAttrs, failures: readonly Failure[]): FormDBError {
    const wanted = target === "any" || this.#ring.size === 1 ? "" : ` to a host that is ${target}`;
    const reasons = failures.map(({ host, reason }) => `${host.name}: ${reason}`).join("; ");
    const isGoingAway = failures.some(
      ({ sqlstate }) => sqlstate !== undefined && ruleOf(sqlstate).failover === true,
    );
    const { url } = this.#settings;
    const [user, database] = [shownName(url.user), shownName(url.database)];
    return new FormDBError(
      "FORMDB_CONNECT_FAILED",
      `Could not connect${wanted} as ${user} to database ${database}: ${reasons}`,
      {
        cause: failures.at(-1)?.cause,
        retryable: failures.some(({ passing }) => passing),
        details: {
          hosts: failures.map(({ host }) => host.name),
          sqlstate: failures.find(({ sqlstate }) => sqlstate !== undefined)?.sqlstate,
          ...(isGoingAway ? { failover: true } : {}),
        },
      },
    );
  }
}

function wantsStandby(target: TargetSessionAttrs): boolean | undefined {
  if (target === "any" || target === "read-only") return undefined;
  return target === "standby" || target === "prefer-standby";
}

const NO_PASSWORD =
  "the server asks for a password, and none was given; put it into the URL, into PGPASSWORD or into the option postgres.password";

/** Whether passwords, certificates and names are right does not change by asking again. */
function describe(host: Host, cause: unknown): Failure {
  const sqlstate = sqlstateOf(cause);
  const reason = reasonOf(cause)
    .replace(/^timeout expired$/, "it did not answer in time")
    .replace(/^SASL: .*password must be a (?:non-empty )?string$/, NO_PASSWORD);
  const lasting = /SSL|TLS|certificate|SASL|password|startup parameter/i.test(reason);
  const passing = sqlstate === undefined ? !lasting : ruleOf(sqlstate).retryable !== false;
  return { host, reason, sqlstate, passing, cause };
}

/** Settings in the form of `options`, `-c name=value …`. */
function readSettings(options: string, statementTimeoutMs: number): Settings {
  const settings = new Map<string, string>();
  for (const [, name = "", value = ""] of options.matchAll(/(?:-c\s*|--)([\w.-]+)=((?:\\.|[^\s\\])*)/g)) {
    settings.set(name.replaceAll("-", "_"), value.replace(/\\(.)/g, "$1"));
  }
  if (statementTimeoutMs > 0) settings.set("statement_timeout", String(statementTimeoutMs));
  return settings;
}

/** Gives an open session its settings: for poolers in session mode that refuse them while connecting. */
export async function applySettings({ client, unset }: OpenSession): Promise<void> {
  for (const setting of unset) await ask(client, "SELECT set_config($1, $2, false)", setting);
}

/** For servers that do not report it by themselves, as PostgreSQL does since 14. */
async function isStandby(client: WireClient): Promise<boolean> {
  return (await ask(client, "SELECT pg_is_in_recovery()")) === true;
}

/** The one value that a statement gives. */
export async function ask(client: WireClient, text: string, values?: readonly string[]): Promise<unknown> {
  const exchange = new Exchange({
    text,
    values,
    name: "",
    parse: values !== undefined,
    decoders: undefined,
    close: [],
  });
  client.query(exchange);
  return (await exchange.reply).rows[0]?.[0];
}
