import { expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import { FormDBError } from "../../src/base/errors.ts";
import { type ConnectionPoolOptions, Connections } from "../../src/engine/connections.ts";
import { open } from "../../src/index.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** The pools over an engine that takes any number of connections, and refuses each. */
function connections(options: ConnectionPoolOptions): Connections {
  const backend = {
    separateWriter: false,
    sizing: () => ({ minConnections: 0, maxConnections: 10 }),
    connect: () => Promise.reject(new FormDBError("FORMDB_CONNECT_FAILED", "nothing listens")),
  } as unknown as Backend;
  return new Connections(backend, options, new ManualClock(), {}, {});
}

it("an engine with room for ten has a single connection if the user allows one", () => {
  expect(connections({}).single).toBe(false);
  expect(connections({ maxConnections: 1 }).single).toBe(true);
  const resized = connections({ maxConnections: 1 });
  resized.read.resize({ max: 2 });
  expect(resized.single).toBe(false);
});

it.each(["create", "clock", "holds", "detectNested", "hosts"])(
  "open() refuses the pool's option %s by name",
  async (name) => {
    await expect(open("sqlite::memory:", { pool: { [name]: true } as never })).rejects.toMatchObject({
      code: "FORMDB_CONFIG",
      option: name,
      message: expect.stringContaining(name),
    });
  },
);
