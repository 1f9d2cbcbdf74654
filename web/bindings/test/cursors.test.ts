import { EditorState } from "@codemirror/state";
import { afterEach, expect, test } from "vitest";
import { remoteCursors, remoteSelections } from "../src/cursors.js";
import { Presence } from "../src/presence.js";
import { Replica } from "./replicas.js";
import { Room, type Seat } from "./room.js";

const settled = () => new Promise<void>((resolve) => setTimeout(resolve));

interface Person {
  replica: Replica;
  presence: Presence;
  seat: Seat;
}

const opened: Replica[] = [];

afterEach(() => {
  for (const replica of opened.splice(0)) replica.view.destroy();
});

/** Someone with an editor in the page, who shows a name. */
function enter(room: Room, name: string): Person {
  const presence = new Presence();
  presence.setUser({ name, color: `oklch(0.5 0.1 ${name.length})` });
  const replica = new Replica(name, (shared) => remoteCursors(shared, presence));
  opened.push(replica);
  const seat = room.enter();
  presence.follow(seat);
  return { replica, presence, seat };
}

async function twoPeople(text: string): Promise<[Person, Person]> {
  const room = new Room();
  const ada = enter(room, "Ada");
  const ben = enter(room, "Ben");
  ada.replica.type(text);
  ben.replica.pull(ada.replica);
  await settled();
  return [ada, ben];
}

/** What the editor shows of the others' selections. */
function seen({ replica }: Person): [name: string, anchor: number, head: number][] {
  return remoteSelections(replica.view.state).map(({ name, anchor, head }) => [name, anchor, head]);
}

test("a selection is seen where it is, and moves with everybody's edits", async () => {
  const [ada, ben] = await twoPeople("one two three");
  ada.replica.place(4, 7);
  await settled();
  expect(seen(ben)).toEqual([["Ada", 4, 7]]);
  expect(seen(ada)).toEqual([]);

  ben.replica.place(0);
  ben.replica.type("😀 ");
  expect(seen(ben), "at once").toEqual([["Ada", 7, 10]]);
  await settled();
  expect(seen(ben)).toEqual([["Ada", 7, 10]]);

  // What is put in at its ends is no part of it.
  ben.replica.view.dispatch({ changes: [{ from: 7, insert: "<" }, { from: 10, insert: ">" }] });
  await settled();
  expect(seen(ben)).toEqual([["Ada", 8, 11]]);
  ada.replica.pull(ben.replica);
  await settled();
  expect(ada.replica.text).toBe("😀 one <two> three");

  ben.replica.view.dispatch({ changes: { from: 7, to: 12 } });
  await settled();
  expect(seen(ben)).toEqual([["Ada", 7, 7]]);
});

test("a selection that was made backwards has its caret at its start", async () => {
  const [ada, ben] = await twoPeople("one two three");
  ada.replica.place(7, 4);
  await settled();
  expect(seen(ben)).toEqual([["Ada", 7, 4]]);
});

test("who types takes the caret along, without a word about it", async () => {
  const [ada, ben] = await twoPeople("start end");
  ada.replica.place(5);
  await settled();
  const said = ada.seat.sent.length;
  for (const letter of " and") {
    ada.replica.type(letter);
    ben.replica.pull(ada.replica);
    await settled();
  }
  expect(seen(ben)).toEqual([["Ada", 9, 9]]);
  ada.replica.place(ada.replica.text.length);
  await settled();
  ada.replica.type("!");
  ben.replica.pull(ada.replica);
  await settled();
  expect(seen(ben)).toEqual([["Ada", 14, 14]]);
  expect(ada.seat.sent.length).toBe(said + 1);
});

test("a place in text that is still on its way shows when that comes", async () => {
  const [ada, ben] = await twoPeople("known ");
  ada.replica.type("unknown");
  ada.replica.place(8);
  await settled();
  expect(seen(ben)).toEqual([]);
  ben.replica.pull(ada.replica);
  await settled();
  expect(seen(ben)).toEqual([["Ada", 8, 8]]);
});

const DEPARTURES: [name: string, leave: (ada: Person, ben: Person) => void][] = [
  ["they leave", ({ seat }) => seat.tellOthers({ fields: {}, left: true })],
  ["their editor goes", ({ replica }) => replica.view.destroy()],
  ["this page leaves", (_ada, ben) => ben.presence.follow(null)],
  ["this page's connection ends", (_ada, ben) => ben.seat.tellStatus("disconnected")],
  ["this page's connection fails", (_ada, ben) => ben.seat.tellStatus("error")],
];

test.each(DEPARTURES)("a caret is gone when %s", async (_name, leave) => {
  const [ada, ben] = await twoPeople("text");
  ada.replica.place(2);
  await settled();
  expect(seen(ben)).toEqual([["Ada", 2, 2]]);
  leave(ada, ben);
  await settled();
  expect(seen(ben)).toEqual([]);
});

test("while the server is away, who is there stays there", async () => {
  const [ada, ben] = await twoPeople("text");
  ada.replica.place(2);
  ben.seat.tellStatus("reconnecting");
  await settled();
  expect(seen(ben)).toEqual([["Ada", 2, 2]]);
});

test("what is set while there is no network is shown in the next, and only changes are sent", async () => {
  const [ada, ben] = await twoPeople("text");
  ada.presence.follow(null);
  ada.presence.setUser({ name: "Ada L.", color: "teal" });
  expect(ada.presence.isShown).toBe(false);
  const seat = ada.seat.room.enter();
  ada.presence.follow(seat);
  ada.presence.setUser({ name: "Ada L.", color: "teal" });
  expect(seat.sent.filter((said) => "user" in said)).toHaveLength(1);
  const latest = ben.presence.participants.at(-1);
  expect(latest).toMatchObject({ session: seat.session, user: { name: "Ada L.", color: "teal" } });
});

const NONSENSE: [field: string, value: unknown][] = [
  ["user", 5],
  ["user", { name: 5, color: "red" }],
  ["user", { name: "x", color: "x".repeat(1000) }],
  ["selection", "here"],
  ["selection", { anchor: 1, head: 2 }],
  ["selection", { anchor: "{}", head: "not JSON" }],
  ["something else", { a: 1 }],
];

test.each(NONSENSE)("what a peer should not send does no harm: %s %j", async (field, value) => {
  const [ada, ben] = await twoPeople("text");
  const stranger = ada.seat.room.enter();
  stranger.setPresence(field, value);
  ada.replica.place(1);
  await settled();
  expect(seen(ben)).toEqual([["Ada", 1, 1]]);
});

test("a long name is cut", async () => {
  const [ada, ben] = await twoPeople("text");
  ada.presence.setUser({ name: "😀".repeat(200), color: "red" });
  expect(ben.presence.participants[0]?.user?.name).toBe("😀".repeat(80));
});

test("an editor without the extension has none", () => {
  expect(remoteSelections(EditorState.create())).toEqual([]);
});
