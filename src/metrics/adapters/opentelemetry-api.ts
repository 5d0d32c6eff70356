/**
 * What is used of `@opentelemetry/api` (1.x), as types: FormDB's own declarations need no such package. Its
 * providers and its namespaces `trace`, `metrics` and `context` fit.
 */

export type OtelAttributes = Record<string, string | number | boolean>;

interface Described {
  readonly description?: string;
  readonly unit?: string;
  readonly advice?: { readonly explicitBucketBoundaries?: number[] };
}

export interface OtelHistogram {
  record(value: number, attributes?: OtelAttributes): void;
}

export interface OtelCounter {
  add(value: number, attributes?: OtelAttributes): void;
}

type ObservableCallback = (result: { observe(value: number, attributes?: OtelAttributes): void }) => void;

export interface OtelObservable {
  addCallback(callback: ObservableCallback): void;
  removeCallback(callback: ObservableCallback): void;
}

export interface OtelMeter {
  createHistogram(name: string, options?: Described): OtelHistogram;
  createCounter(name: string, options?: Described): OtelCounter;
  createObservableUpDownCounter(name: string, options?: Described): OtelObservable;
}

export interface OtelMeterProvider {
  getMeter(name: string): OtelMeter;
}

export interface OtelSpan {
  spanContext(): { readonly traceId: string; readonly spanId: string; readonly traceFlags: number };
  setAttribute(name: string, value: string | number | boolean): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  end(): void;
}

export interface OtelTracer {
  startSpan(
    name: string,
    options?: { kind?: number; attributes?: OtelAttributes },
    context?: never,
  ): OtelSpan;
}

export interface OtelTracerProvider {
  getTracer(name: string): OtelTracer;
}

/** The package itself. */
export interface OtelApi {
  readonly metrics: OtelMeterProvider;
  readonly trace: OtelTracerProvider & {
    getActiveSpan(): OtelSpan | undefined;
    setSpan(context: never, span: never): unknown;
  };
  readonly context: { active(): unknown };
}

/** The name under which our meter and tracer are known. */
export const SCOPE = "@formdb/perf";

/** What the API's enumerations say. */
export const SPAN_KIND_INTERNAL = 0;
export const SPAN_KIND_CLIENT = 2;
export const STATUS_ERROR = 2;
export const FLAG_SAMPLED = 1;
