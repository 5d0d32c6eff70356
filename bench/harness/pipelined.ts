import pg from "pg";

/** Clients of `pg` with `pipeline: true`, which take turns: `pg.Pool` lends a client to one caller at a time. */
export interface Pipelined extends AsyncDisposable {
  query(config: pg.QueryConfig): Promise<pg.QueryResult>;
}

export async function openPipelined(url: string, connections: number): Promise<Pipelined> {
  const clients = await Promise.all(
    Array.from({ length: connections }, async () => {
      const client = new pg.Client({ connectionString: url, pipeline: true } as pg.ClientConfig);
      await client.connect();
      return client;
    }),
  );
  let turn = 0;
  return {
    query: (config) => clients[turn++ % connections]!.query(config),
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.end()));
    },
  };
}
