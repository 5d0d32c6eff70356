import { configError } from "../../base/options.ts";
import { decode } from "./url-parameters.ts";

/** A server's address. A host that starts with `/` is the folder of a Unix socket. */
export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 5432;

/** `host:port`, with the brackets that an IPv6 address needs. */
export function showAddress({ host, port }: HostAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** The hosts of a URL, `name:port,name:port`; `ports` are those of its parameter `port`. Throws `FORMDB_CONFIG`. */
export function readHosts(text: string, ports: string | undefined): readonly HostAddress[] {
  const portList = ports?.split(",") ?? [];
  return Object.freeze(
    text.split(",").map((part, i) => {
      const match = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d*))?$/.exec(part);
      // What stands here may be a password without its host: it is not quoted.
      if (match === null) {
        throw configError(
          `Host ${i + 1} of a PostgreSQL URL must look like name:port, with the port a number; ` +
            "percent-encode the password if it has a / in it",
          "url",
        );
      }
      const host = match[1] ?? (decode(match[2] ?? "", "host") || (process.env.PGHOST ?? "localhost"));
      const given = match[3] || portList[portList.length === 1 ? 0 : i] || process.env.PGPORT;
      const port = given === undefined ? DEFAULT_PORT : Number(given);
      if (!Number.isInteger(port) || port < 1 || port > 65_535) {
        throw configError(
          `The port of host ${i + 1} of a PostgreSQL URL must be a number from 1 to 65535`,
          "url",
        );
      }
      if (
        !/^[\w.:%@/-]+$/.test(host) ||
        (/[@:%]/.test(host) && match[1] === undefined && !host.startsWith("/"))
      ) {
        throw configError(
          `Host ${i + 1} of a PostgreSQL URL must be a name, an address or a socket's folder; percent-encode the password`,
          "url",
        );
      }
      return Object.freeze({ host, port });
    }),
  );
}
