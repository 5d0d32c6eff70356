import { PassThrough } from "node:stream";
import { Output } from "../../src/print/output.ts";

/** What is printed on a slow stream that has these properties, and what printing it gave. */
export async function printed<T>(
  print: (output: Output) => Promise<T>,
  properties: object = {},
): Promise<{ readonly text: string; readonly result: T }> {
  const stream = Object.assign(new PassThrough({ highWaterMark: 64 }), properties);
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  const result = await print(new Output(stream));
  stream.end();
  await new Promise((resolve) => stream.on("close", resolve));
  return { text, result };
}
