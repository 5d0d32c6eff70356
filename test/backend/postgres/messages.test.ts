import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { type AnswerTaker, Messages, type Reader } from "../../../src/backend/postgres/messages.ts";

/** A message of the protocol: its type, its length and its content. */
function message(type: string, content: string): Buffer {
  const bytes = Buffer.alloc(5 + content.length);
  bytes.write(type, 0, "latin1");
  bytes.writeInt32BE(4 + content.length, 1);
  bytes.write(content, 5, "latin1");
  return bytes;
}

class Taker implements AnswerTaker {
  readonly heard: string[] = [];

  takeRow(bytes: Buffer, start: number, end: number): void {
    this.heard.push(`row ${bytes.toString("latin1", start, end)}`);
  }

  takeTag(tag: string): void {
    this.heard.push(`tag ${tag}`);
  }
}

/** What stands for the driver's connection: it notes what it is given, and a query begins where one is ready. */
function listen(read: boolean, taker: Taker) {
  const socket = new EventEmitter();
  const driver: string[] = [];
  const reader: Reader = {
    attachListeners(source) {
      source.on("data", (bytes: Buffer) => {
        driver.push(bytes.toString("latin1"));
        if (bytes.toString("latin1", 0, 1) === "Z") reader.taker = taker;
      });
    },
  };
  const messages = new Messages(reader, () => !read);
  reader.attachListeners(socket);
  return { socket, messages, driver };
}

const ANSWER = [
  message("Z", "I"),
  message("2", ""),
  message("D", "first"),
  message("N", "a notice"),
  message("D", "second".repeat(20)),
  message("C", "SELECT 2\0"),
  message("Z", "I"),
  message("D", "third"),
  message("E", "an error"),
  message("D", "nobody's"),
  message("Z", "I"),
  message("C", "COMMIT\0"),
];
const HEARD = ["row first", `row ${"second".repeat(20)}`, "tag SELECT 2", "row third", "tag COMMIT"];
const TO_DRIVER = [0, 3, 6, 8, 9, 10].map((i) => ANSWER[i]!.toString("latin1"));

test("rows and ends go to the query that waits, the rest goes to the driver, wherever the bytes are cut", () => {
  const bytes = Buffer.concat(ANSWER);
  for (let size = 1; size <= bytes.length; size++) {
    const taker = new Taker();
    const { messages, driver } = listen(false, taker);
    // As a socket that reads into the same bytes again and again.
    const lent = Buffer.alloc(size);
    for (let at = 0; at < bytes.length; at += size) {
      messages.take(lent, bytes.copy(lent, 0, at, at + size));
    }
    lent.fill(0xff);
    expect(taker.heard).toEqual(HEARD);
    expect(driver).toEqual(TO_DRIVER);
  }
});

test("a socket that others do not read is listened to, as that of TLS is", () => {
  const taker = new Taker();
  const { socket, driver } = listen(true, taker);
  socket.emit("data", Buffer.concat(ANSWER));
  expect(taker.heard).toEqual(HEARD);
  expect(driver).toEqual(TO_DRIVER);
});
