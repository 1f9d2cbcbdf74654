import type { NetworkStatus } from "crdt-wasm";
import type { StoredStatus } from "crdt-wasm/storage";
import { describe, expect, test } from "vitest";
import { ago, recentRooms, storedName } from "../src/recent.js";
import { linkTo } from "../src/room.js";
import { savingLine, serverLine, wouldLose } from "../src/saving.js";

const KEY = "k".repeat(22);
const ADDRESS = new URL("https://example.org/?room=garden#key=other");
const HOUR = 3_600_000;

const saved: StoredStatus = { state: "saved", problem: null, persisted: true };
const problem = { code: "storage_full", message: "there is no space left" } as const;

describe("the rooms on this device", () => {
  test("each room and key has a text of its own, and a link", () => {
    const names = [
      storedName("garden", null, ADDRESS),
      storedName("garden", { key: KEY }, ADDRESS),
      storedName("a/b #1", { key: KEY }, ADDRESS),
    ];
    expect(new Set(names).size).toBe(3);
    const stored = names.map((name, index) => ({ name, bytes: 1, changed: index * HOUR }));
    const rooms = recentRooms(stored, "", ADDRESS, 3 * HOUR);
    expect(rooms.map(({ room, when }) => [room, when])).toEqual([
      ["a/b #1", "1 hour ago"],
      ["garden", "2 hours ago"],
      ["garden", "3 hours ago"],
    ]);
    expect(rooms[1]!.link).toBe(linkTo("garden", { key: KEY }, ADDRESS));
    expect(rooms[2]!.link).toBe(linkTo("garden", null, ADDRESS));
    const others = recentRooms(stored, names[1]!, ADDRESS, 0);
    expect(others.map(({ room }) => room)).toEqual(["a/b #1", "garden"]);
  });

  test("what another program stored is left out, and a long list is cut", () => {
    const foreign = ["garden", "?other=x", "#x"].map((name) => ({ name, bytes: 1, changed: 0 }));
    expect(recentRooms(foreign, "", ADDRESS, 0)).toEqual([]);
    const many = Array.from({ length: 30 }, (_, at) => ({
      name: storedName(`room ${at}`, null, ADDRESS),
      bytes: 1,
      changed: at,
    }));
    const shown = recentRooms(many, "", ADDRESS, 0);
    expect(shown[0]!.room).toBe("room 29");
    expect(shown.length).toBeLessThan(10);
  });

  test.each([
    [5_000, "just now"],
    [90_000, "1 minute ago"],
    [5 * HOUR, "5 hours ago"],
    [30 * HOUR, "yesterday"],
    [100 * HOUR, "4 days ago"],
  ])("%i ms", (passed, words) => expect(ago(passed)).toBe(words));
});

describe("what is saved", () => {
  test("in words", () => {
    expect(savingLine(null).text).toBe("");
    expect(savingLine(saved)).toEqual({ text: "Saved on this device", look: "good" });
    expect(savingLine({ ...saved, state: "saving" }).text).toBe("Saved on this device");
    expect(savingLine({ ...saved, problem })).toEqual({ text: problem.message, look: "bad" });
    const unsaved = savingLine({ state: "unsaved", problem, persisted: null });
    expect(unsaved).toEqual({
      text: "Not saved on this device: there is no space left",
      look: "bad",
    });
  });

  test("at the server, in words", () => {
    const at = (ahead: number | null, reason: string | null = null) =>
      serverLine({ kept: { ahead, skipped: 0, problem: reason } } as unknown as NetworkStatus);
    expect(serverLine(null).text).toBe("");
    expect(at(null).text).toBe("");
    expect(at(null, "the room has no key").text).toBe("");
    expect(at(0)).toEqual({ text: "The server has it too, encrypted", look: "good" });
    expect(at(2)).toEqual({ text: "The server does not have the last edits yet", look: "good" });
    expect(at(2, "it is full")).toEqual({ text: "Not at the server: it is full", look: "bad" });
  });

  test("leaving loses what nobody else has", () => {
    const unsaved: StoredStatus = { state: "unsaved", problem, persisted: null };
    const at = (shared: string[], ahead: number | null) =>
      ({ shared, kept: { ahead, skipped: 0, problem: null } }) as unknown as NetworkStatus;
    expect(wouldLose(saved, null)).toBe(false);
    expect(wouldLose({ ...saved, state: "saving" }, null)).toBe(false);
    expect(wouldLose(unsaved, null)).toBe(true);
    expect(wouldLose(unsaved, at([], null))).toBe(true);
    expect(wouldLose(unsaved, at([], 3))).toBe(true);
    expect(wouldLose(unsaved, at(["Ben"], null))).toBe(false);
    expect(wouldLose(unsaved, at([], 0))).toBe(false);
  });
});
