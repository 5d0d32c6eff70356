import { once } from "node:events";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { open } from "../../src/engine/open.ts";
import { Child } from "../support/child-process.ts";
import { useFolder } from "../support/hooks.ts";

const folder = useFolder();

const program = fileURLToPath(new URL("../../examples/graceful-shutdown.ts", import.meta.url));
const CALLERS = 50;
/** So many are acknowledged before the service is told to end. */
const ACKNOWLEDGED = 500;

it("graceful-shutdown.ts loses nothing that it has acknowledged when SIGTERM ends it", async () => {
  const url = `sqlite:${join(folder, "notes.db")}`;
  const child = new Child(["--conditions=@formdb/source", program], { FORMDB_URL: url, PORT: "0" });
  const ended = child.end();
  while (!child.output.includes("\n")) await Promise.race([once(child.process.stdout!, "data"), ended]);
  const port = Number(/listening on (\d+)/.exec(child.output)![1]);

  const agent = new Agent({ keepAlive: true });
  const acknowledged: string[] = [];
  let next = 0;
  const post = (id: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const call = request({ agent, port, host: "127.0.0.1", path: "/notes", method: "POST" }, (response) => {
        response.resume();
        response.once("end", () => resolve(response.statusCode!));
        response.once("error", reject);
      });
      call.once("error", reject);
      call.end(JSON.stringify({ id, text: "x".repeat(100) }));
    });
  const caller = async (): Promise<void> => {
    for (;;) {
      const id = String(next++);
      try {
        if ((await post(id)) !== 201) return;
      } catch {
        return; // The service takes no more.
      }
      acknowledged.push(id);
      if (acknowledged.length === ACKNOWLEDGED) child.process.kill("SIGTERM");
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  agent.destroy();
  await ended;
  expect(child.output).toMatch(/closed: \d+ written, 0 failed, 0 not delivered/);
  expect(acknowledged.length).toBeGreaterThanOrEqual(ACKNOWLEDGED);

  await using db = await open(url);
  const { rows } = await db.query("SELECT id FROM notes");
  const there = new Set(rows.map(({ id }) => String(id)));
  expect(there.size).toBe(rows.length);
  expect(acknowledged.filter((id) => !there.has(id))).toEqual([]);
});
