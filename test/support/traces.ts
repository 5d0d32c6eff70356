/** Subscribers to a channel of `diagnostics_channel` that note each event with a copy of what is told of it. */
export function noteTraces(seen: [event: string, trace: object][]) {
  const note = (event: string) => (trace: object) => void seen.push([event, { ...trace }]);
  return {
    start: note("start"),
    end: note("end"),
    asyncStart: note("asyncStart"),
    asyncEnd: note("asyncEnd"),
    error: note("error"),
  };
}
