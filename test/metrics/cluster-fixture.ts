import cluster from "node:cluster";
import { answerSnapshots, clusterChannel, SnapshotCollector } from "../../src/metrics/cluster/collector.ts";
import { Metrics } from "../../src/metrics/metrics.ts";

// Run as a program: a primary with three workers, each of which counts as many queries as its number says.
if (cluster.isPrimary) {
  const collector = new SnapshotCollector({ own: new Metrics(), timeoutMs: 30_000 });
  const workers = [1, 2, 3].map((queries) => cluster.fork({ QUERIES: String(queries) }));
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("message", resolve))));
  for (const worker of workers) collector.attach(String(worker.id), clusterChannel(worker));
  const total = async (): Promise<string | undefined> =>
    /^formdb_query_total (\d+)$/m.exec(await collector.exportAsync())?.[1];
  console.log(await total());
  workers[2]!.kill();
  await new Promise((resolve) => workers[2]!.once("exit", resolve));
  collector.detach(String(workers[2]!.id));
  console.log(await total());
  // A worker that ends gracefully lives on without its channel: a scrape then must not end the primary.
  const disconnected = new Promise((resolve) => workers[1]!.once("disconnect", resolve));
  workers[1]!.disconnect();
  await disconnected;
  console.log(await total());
  for (const worker of workers.slice(0, 2)) worker.process.kill("SIGKILL");
} else {
  const metrics = new Metrics();
  for (let i = 0; i < Number(process.env.QUERIES); i++) metrics.recordQuery(1);
  answerSnapshots(metrics, clusterChannel(process));
  setTimeout(() => {}, 60_000);
  process.send!("ready");
}
