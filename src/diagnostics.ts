export {
  type AcquireTrace,
  channels,
  type FlushTrace,
  type QueryTrace,
  traced,
} from "./metrics/tracing-channels.ts";
