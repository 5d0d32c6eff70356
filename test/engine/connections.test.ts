import { expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import { FormDBError } from "../../src/base/errors.ts";
import { type ConnectionPoolOptions, Connections } from "../../src/engine/connections.ts";
import { open } from "../../src/index.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** The pools over an engine that takes any number of connections, and refuses each. */
function connections(options: ConnectionPoolOptions, facts: Partial<Backend> = {}): Connections {
  const backend = {
    separateWriter: false,
    ...facts,
    sizing: () => ({ minConnections: 0, maxConnections: 10 }),
    connect: () => Promise.reject(new FormDBError("FORMDB_CONNECT_FAILED", "nothing listens")),
  } as unknown as Backend;
  return new Connections(backend, options, new ManualClock(), {}, {});
}

it("as many callers as the user allows connections wait for themselves, where reads and writes share them", () => {
  expect(connections({}).deadlockAt).toBe(10);
  const one = connections({ maxConnections: 1 });
  expect(one.deadlockAt).toBe(1);
  one.read.resize({ max: 2 });
  expect(one.deadlockAt).toBe(2);
  expect(connections({}, { separateWriter: true }).deadlockAt).toBe(Number.POSITIVE_INFINITY);
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
