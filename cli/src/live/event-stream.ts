/** Longer than this without any text, a stream of events is taken as lost. */
const SILENCE_MS = 5_000;

/**
 * Reads a stream of server-sent events until it ends: an event ends with an empty line, and its `data:` lines are its
 * text. `lost` is called when nothing has come for a while; it must end the stream.
 */
export async function readEventStream(
  body: ReadableStream<Uint8Array>,
  received: (data: string) => void,
  lost: () => void,
): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const silence = setTimeout(lost, SILENCE_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    const events = `${text}${decoder.decode(value, { stream: true })}`.split("\n\n");
    text = events.pop()!;
    for (const event of events) {
      const data = event.split("\n").filter((line) => line.startsWith("data:"));
      if (data.length > 0) received(data.map((line) => line.slice("data:".length)).join("\n"));
    }
  }
}
