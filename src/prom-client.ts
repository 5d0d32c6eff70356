export { addToPromClient, type PromClientRegistry } from "./metrics/adapters/prom-client.ts";
export { type CombinedExporter, withPromClient } from "./metrics/adapters/with-prom-client.ts";
