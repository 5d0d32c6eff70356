import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import { configError } from "../../base/options.ts";
import { oneOf } from "./url-parameters.ts";

/** How a connection is encrypted: not at all (undefined), if the server can (`required: false`), or always. */
export interface TlsPolicy {
  readonly required: boolean;
  readonly options: ConnectionOptions;
}

const SSL_MODES = ["disable", "prefer", "require", "no-verify", "verify-ca", "verify-full"] as const;

/** As libpq's `sslmode=prefer`: encrypted if the server can, without checking its certificate. */
export const PREFER_TLS: TlsPolicy = Object.freeze({
  required: false,
  options: { rejectUnauthorized: false },
});

/** Parameters that mean nothing on a connection without TLS. */
const NEED_TLS = [
  ["sslnegotiation", "direct"],
  ["channel_binding", "require"],
] as const;

/**
 * What `sslmode` and the files beside it ask for, as libpq understands them; undefined for no encryption. Without a word it is
 * `prefer`, or `verify-full` with a root certificate.
 */
export function readTls(parameters: ReadonlyMap<string, string>): TlsPolicy | undefined {
  const given = parameters.has("sslmode") ? parameters : new Map([["sslmode", process.env.PGSSLMODE ?? ""]]);
  const mode = oneOf(given, "sslmode", SSL_MODES);
  const file = (name: string): Buffer | undefined => {
    const path = parameters.get(name);
    if (path === undefined || path === "") return undefined;
    try {
      return readFileSync(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw configError(`The file that a PostgreSQL URL's ${name} names can't be read: ${code}`, name);
    }
  };
  const ca = file("sslrootcert");
  const cert = file("sslcert");
  const key = file("sslkey");
  const certificates = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  const chosen = mode ?? (ca === undefined ? "prefer" : "verify-full");
  for (const [name, value] of NEED_TLS) {
    if (parameters.get(name) === value && (chosen === "disable" || chosen === "prefer")) {
      throw configError(
        `A PostgreSQL URL's ${name}=${value} needs TLS: sslmode must be require or stricter`,
        "sslmode",
      );
    }
  }
  switch (chosen) {
    case "disable":
      return undefined;
    case "prefer":
      return { ...PREFER_TLS, options: { ...certificates, ...PREFER_TLS.options } };
    case "no-verify":
      return { required: true, options: { ...certificates, rejectUnauthorized: false } };
    case "require": // As in libpq: with a root certificate it is checked, without one nothing is.
      return ca === undefined
        ? { required: true, options: { ...certificates, rejectUnauthorized: false } }
        : { required: true, options: { ...certificates, checkServerIdentity: () => undefined } };
    case "verify-ca":
      return { required: true, options: { ...certificates, checkServerIdentity: () => undefined } };
    default:
      return { required: true, options: certificates };
  }
}
