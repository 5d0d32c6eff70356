export {
  exemplarsFromActiveSpan,
  type OpenTelemetryAdapter,
  type OpenTelemetryOptions,
  openTelemetry,
} from "./metrics/adapters/opentelemetry.ts";
