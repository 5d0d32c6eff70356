export type { LiveEvent, LiveHolder, LivePool, Percentiles } from "./live/live-event.ts";
export type { Keys } from "./server/access.ts";
export { type FormServer, type FormServerOptions, requestId, serve } from "./server/form-server.ts";
export { formdbApi, type PluginOptions } from "./server/plugin.ts";
export type { ApiOptions, ServerLimits } from "./server/server-options.ts";
export { type HttpCode, STATUS } from "./server/status.ts";
