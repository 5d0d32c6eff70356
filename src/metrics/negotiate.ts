import type { ExportFormat } from "./exposition.ts";

const CONTENT_TYPES: Readonly<Record<ExportFormat, string>> = Object.freeze({
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
});

/** The `Content-Type` of a format. */
export function contentTypeOf(format: ExportFormat): string {
  return CONTENT_TYPES[format];
}

interface Accepted {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

/** Longest header that is looked at; a longer one counts as none. */
const MAX_HEADER_LENGTH = 4_096;

/**
 * The format that an `Accept` header asks for: OpenMetrics if it names that, in version 1.0.0 or none, with at
 * least the quality of plain text; otherwise plain text.
 */
export function formatFor(accept: string | undefined): ExportFormat {
  let openMetrics = 0;
  let text = 0;
  let textRank = 0;
  for (const { type, parameters, quality } of parseAccept(accept ?? "")) {
    const version = parameters.get("version");
    if (type === "application/openmetrics-text" && (version === undefined || version === "1.0.0")) {
      openMetrics = Math.max(openMetrics, quality);
    }
    // The most specific range decides, as RFC 9110 has it.
    const rank = type === "text/plain" ? 3 : type === "text/*" ? 2 : type === "*/*" ? 1 : 0;
    if (rank === 3 && version !== undefined && version !== "0.0.4") continue;
    if (rank > textRank || (rank === textRank && rank > 0 && quality > text)) {
      text = quality;
      textRank = rank;
    }
  }
  return openMetrics > 0 && openMetrics >= text ? "openmetrics" : "prometheus";
}

/** Whether an `Accept-Encoding` header allows gzip. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  let any = false;
  for (const { type, quality } of parseAccept(acceptEncoding ?? "")) {
    if (type === "gzip" || type === "x-gzip") return quality > 0;
    if (type === "*") any = quality > 0;
  }
  return any;
}

function parseAccept(header: string): Accepted[] {
  if (header.length > MAX_HEADER_LENGTH) return [];
  return header.split(",").map((part) => {
    const [type, ...rest] = part.split(";");
    const parameters = new Map<string, string>();
    for (const parameter of rest) {
      const equals = parameter.indexOf("=");
      if (equals === -1) continue;
      const value = parameter.slice(equals + 1).trim();
      parameters.set(parameter.slice(0, equals).trim().toLowerCase(), value.replace(/^"(.*)"$/, "$1"));
    }
    const given = parameters.get("q");
    const quality = given === undefined ? 1 : Number(given);
    return {
      type: type!.trim().toLowerCase(),
      parameters,
      quality: quality >= 0 && quality <= 1 ? quality : 0,
    };
  });
}
