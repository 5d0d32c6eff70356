import { describe, expect, it } from "vitest";
import { guardObservers, vouchFor } from "../../src/base/observer.ts";

interface Events {
  happened?(what: string): void;
  ended?(): void;
}

const EVENTS: readonly (keyof Events)[] = ["happened", "ended"];

describe("an observer made of several", () => {
  it("has every method, whoever listens", () => {
    const observer = guardObservers<Events>(EVENTS, [undefined, {}]);
    expect(observer.happened("x")).toBeUndefined();
    expect(observer.ended()).toBeUndefined();
  });

  it("tells each of them, as their own method, and keeps what one throws from the others", () => {
    const heard: string[] = [];
    class Listener implements Events {
      readonly name = "second";
      happened(what: string): void {
        heard.push(`${this.name} ${what}`);
      }
    }
    const failing: Events = {
      happened: () => {
        throw new Error("full");
      },
    };
    const vouched = vouchFor<Events>({ happened: (what) => heard.push(`third ${what}`) });
    const observer = guardObservers<Events>(EVENTS, [failing, new Listener(), vouched]);
    observer.happened("x");
    expect(heard).toEqual(["second x", "third x"]);
  });

  it("calls one that was vouched for as it is, and guards any other", () => {
    const happened = (): void => {};
    expect(guardObservers<Events>(EVENTS, [vouchFor<Events>({ happened })]).happened).toBe(happened);
    expect(guardObservers<Events>(EVENTS, [{ happened }]).happened).not.toBe(happened);
  });

  it("is not guarded a second time", () => {
    const observer = guardObservers<Events>(EVENTS, [{ ended: () => {} }]);
    expect(guardObservers<Events>(EVENTS, [observer])).toBe(observer);
  });
});
