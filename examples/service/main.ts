/** Runs the service: `FORMDB_URL=postgres://… node --conditions=@formdb/source examples/service/main.ts`. */
import { open } from "@formdb/perf";
import { service } from "./service.ts";

const app = service(await open());
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void app.close());
await app.listen({ port: Number(process.env.PORT ?? 3000) });
