import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];
/** Text in a style, or as it is where nothing shows colours. */
export type Paint = (style: Style, text: string) => string;

type Stream = NodeJS.WritableStream & { readonly isTTY?: boolean; hasColors?(): boolean };

/**
 * Paints for a stream: a terminal that has colours, unless NO_COLOR (no-color.org) or `--no-color` says otherwise;
 * FORCE_COLOR asks for colours whatever the stream is.
 */
export function painterOf(stream: Stream): Paint {
  return hasColours(stream)
    ? (style, text) => styleText(style, text, { validateStream: false })
    : (_style, text) => text;
}

function hasColours(stream: Stream): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: none } = process.env;
  if (none !== undefined && none !== "") return false;
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  return stream.isTTY === true && stream.hasColors?.() === true;
}
