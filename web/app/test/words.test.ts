import type { Participant } from "@crdt/codemirror";
import type { Diagnosis, DoctorStage, NetworkStatus, PeerLink } from "crdt-wasm";
import { describe, expect, test } from "vitest";
import { countsOf } from "../src/counter.js";
import { findings } from "../src/doctor.js";
import { agentIdFor, colorAmong, colorOf, initialOf, nameIn, newName, tidyName } from "../src/name.js";
import { peopleIn } from "../src/people.js";
import { problemOf } from "../src/problem.js";
import { addressOf, linkProblem, linkTo, newKey, newRoom, roomIn, serverFor } from "../src/room.js";
import { hintText, countText, linkText, statusLine } from "../src/status.js";

const bytes = (text: string) => new TextEncoder().encode(text).length;

function status(state: NetworkStatus["state"], peers: string[] = []): NetworkStatus {
  return {
    connected: state === "connected",
    peers,
    state,
    agentId: "me~000000",
    room: "r",
    url: "ws://localhost:8080",
    signaling: [{ url: "ws://localhost:8080", state, error: null }],
    error: null,
    readOnly: false,
    saved: null,
    kept: { ahead: null, skipped: 0, problem: null },
    shared: peers,
    relayOff: null,
    links: peers.map((peer) => link({ peer })),
    transports: [],
    openConnections: peers.length,
  };
}

function link(part: Partial<PeerLink>): PeerLink {
  return {
    peer: "p",
    link: "webrtc",
    state: "open",
    synced: true,
    diverged: null,
    readOnly: false,
    rtt: null,
    bytesIn: 0,
    bytesOut: 0,
    ahead: null,
    behind: null,
    problem: null,
    problemStage: null,
    ...part,
  };
}

describe("the status", () => {
  const CASES: [status: NetworkStatus | null, text: string, look: string][] = [
    [null, "Not connected", "off"],
    [status("connecting"), "Connecting…", "busy"],
    [status("connected"), "Connected (0 peers)", "on"],
    [status("connected", ["a"]), "Connected (1 peer)", "on"],
    [status("connected", ["a", "b"]), "Connected (2 peers)", "on"],
    [status("reconnecting", ["a"]), "Reconnecting… (1 peer)", "busy"],
    [status("error"), "Connection failed", "failed"],
    [status("disconnected"), "Not connected", "off"],
  ];

  test.each(CASES)("%#", (now, text, look) => {
    expect(statusLine(now)).toEqual({ text, look });
  });

  test("a link in words", () => {
    expect(linkText(link({ state: "connecting" }))).toBe("connecting…");
    expect(linkText(link({ state: "connecting", problem: "timed out" }))).toMatch(/trying again/);
    expect(linkText(link({ state: "indirect" }))).toMatch(/through others/);
    expect(linkText(link({ synced: false }))).toBe("catching up…");
    expect(linkText(link({}))).toBe("up to date");
    expect(linkText(link({ link: "relay" }))).toBe("up to date, through the server");
    expect(linkText(link({ state: "interrupted" }))).toMatch(/interrupted/);
    expect(linkText(link({ readOnly: true }))).toBe("up to date, reads only");
  });

  test("a page that is alone says what to do, others say nothing", () => {
    const secret = { key: "k".repeat(22) };
    expect(hintText(null, secret)).toMatch(/Connect/);
    expect(hintText(status("connected"), secret)).toMatch(/another key/);
    expect(hintText(status("connected", ["a"]), secret)).toBe("");
    expect(hintText(status("reconnecting", ["a"]), secret)).toMatch(/keeps trying/);
    expect(hintText({ ...status("connected", ["a"]), readOnly: true }, secret)).toMatch(/cannot change/);
    expect(hintText(status("connected", ["a"]), null)).toMatch(/anyone who knows its name/);
  });
});

describe("the count", () => {
  const CASES: [text: string, words: number, characters: number][] = [
    ["", 0, 0],
    ["one", 1, 3],
    ["don't half-do it", 3, 16],
    ["Grüße, 世界! 😀", 2, 12],
  ];

  test.each(CASES)("%j", (text, words, characters) => {
    const counted = countText(countsOf(text));
    expect(counted.startsWith(`${words} word`)).toBe(true);
    expect(counted).toContain(`${characters} character`);
  });
});

describe("names", () => {
  const CASES: [typed: string, tidy: string][] = [
    ["  Ada ", "Ada"],
    ["", "Guest"],
    [" \t\n", "Guest"],
    ["A\u0000d\u202ea", "Ada"],
    ["x".repeat(99), "x".repeat(40)],
    ["😀".repeat(99), "😀".repeat(20)],
  ];

  test.each(CASES)("%j", (typed, tidy) => {
    expect(tidyName(typed)).toBe(tidy);
  });

  test("an id holds the name, is small enough, and another each time", () => {
    for (const name of ["Ada", "漢".repeat(99), "😀".repeat(99)]) {
      let drawn = 0;
      const next = (limit: number) => (drawn += 5) % limit;
      const [one, two] = [agentIdFor(name, next), agentIdFor(name, next)];
      expect(nameIn(one)).toBe(tidyName(name));
      expect(one).not.toBe(two);
      expect(bytes(one)).toBeLessThanOrEqual(128);
    }
  });

  test("an id of another program is shown as it is", () => {
    expect(nameIn("user-123")).toBe("user-123");
    expect(nameIn("~abc123")).toBe("~abc123");
  });

  test("a badge has the first letter as people see it, and a colour that stays", () => {
    expect(initialOf("ada")).toBe("A");
    expect(initialOf("👩‍👧 two")).toBe("👩‍👧");
    expect(initialOf("")).toBe("?");
    expect(colorOf("Ada~1")).toBe(colorOf("Ada~1"));
    expect(colorOf("Ada~1")).not.toBe(colorOf("Ada~2"));
  });

  test("people in a room show different colours, whoever they are", () => {
    for (let round = 0; round < 50; round += 1) {
      const ids = Array.from({ length: 12 }, (_, index) => `${round * index * 7919}~${index}`);
      const room = ids.map((id) => ({ id, color: colorOf(id) }));
      // Each hears of the others, and takes another colour where that is due, until all are content.
      for (let turn = 0; turn < ids.length; turn += 1) {
        for (const one of room) {
          one.color = colorAmong(one.id, room.filter(({ id }) => id !== one.id));
        }
      }
      expect(new Set(room.map(({ color }) => color)).size).toBe(ids.length);
    }
  });

  test("whoever gave no name has a friendly one", () => {
    let drawn = 0;
    const names = Array.from({ length: 40 }, () => newName((limit) => (drawn += 7) % limit));
    for (const name of names) expect(name).toMatch(/^[A-Z][a-z]+ [A-Z][a-z]+$/);
    expect(newName(() => 3)).toBe("Calm Dolphin");
  });
});

describe("people", () => {
  const me = { agentId: "Me~000000", name: "Me", color: "maroon" };
  const shown = (peer: string, name: string): Participant => ({
    session: "1",
    peer,
    user: { name, color: "teal" },
    selection: null,
  });

  test("this page comes first, and others are called what they call themselves", () => {
    const people = peopleIn(me, status("connected", ["Ada~123456", "Ben~123456"]), [
      shown("Ben~123456", "Benjamin"),
      shown("Gone~123456", "Gone"),
    ]);
    expect(people.map(({ name, note }) => [name, note])).toEqual([
      ["Me", "you"],
      ["Ada", "up to date"],
      ["Benjamin", "up to date"],
    ]);
    expect(people.map(({ color }) => color)).toEqual([
      "maroon",
      colorOf("Ada~123456"),
      "teal",
    ]);
  });

  test("alone and not connected, this page is there all the same", () => {
    expect(peopleIn(me, null, [])).toMatchObject([{ name: "Me", note: "you, not connected" }]);
  });
});

describe("the doctor's findings", () => {
  const STAGES: DoctorStage[] = [
    "environment",
    "signaling",
    "room",
    "offer",
    "ice",
    "channel",
    "sync",
  ];

  /** All is well before the stage, and nothing after it was reached. */
  function diagnosis(failing: DoctorStage | null): Diagnosis {
    const at = failing === null ? STAGES.length : STAGES.indexOf(failing);
    const checks = STAGES.map((stage, index) => ({
      stage,
      ok: index === at ? false : index < at ? true : null,
      detail: index === at ? "Ada~123456: it failed" : index < at ? "fine" : "not reached",
    }));
    const message = failing === null ? "all is well" : "Ada~123456: it failed";
    return { stage: failing, message, advice: failing === null ? null : "do that", checks };
  }

  test("nothing is found where nothing was tried", () => {
    expect(findings(null, null)).toMatchObject({ look: "off", stages: [] });
  });

  test("all is well", () => {
    const found = findings(diagnosis(null), status("connected", ["Ada~123456"]));
    expect(found).toMatchObject({ verdict: "All is well", look: "good", advice: null });
    expect(found.stages.map(({ outcome }) => outcome)).toEqual(STAGES.map(() => "works"));
  });

  test.each(STAGES)("a failure has its stage, and what to do about it: %s", (failing) => {
    const found = findings(diagnosis(failing), status("connected", ["Ada~123456"]));
    expect(found.look).toBe("bad");
    expect(found.advice).toMatch(/\.$/);
    const at = STAGES.indexOf(failing);
    expect(found.stages.map(({ outcome }) => outcome)).toEqual(
      STAGES.map((_, index) => (index === at ? "fails" : index < at ? "works" : "not reached")),
    );
    expect(found.stages[at]?.detail).toBe("Ada: it failed");
  });

  test("no two stages fail with the same words", () => {
    const verdicts = STAGES.map((stage) => findings(diagnosis(stage), null).verdict);
    expect(new Set(verdicts).size).toBe(STAGES.length);
  });

  test("whoever is in the room is not told that the server keeps it out", () => {
    const inside = findings(diagnosis("room"), status("connected", ["Ada~123456"]));
    expect(inside.verdict).toBe("Someone has another link");
    const outside = findings(diagnosis("room"), status("error"));
    expect(outside.verdict).toBe("The server does not let you in");
  });

  test("what is under way is no failure", () => {
    const waiting = diagnosis(null);
    waiting.checks[1] = { stage: "signaling", ok: null, detail: "waiting for the server" };
    expect(findings(waiting, status("connecting"))).toMatchObject({ look: "busy", advice: null });
  });
});

describe("rooms", () => {
  const key = newKey(new Uint8Array([...Array(15).keys(), 255]));
  const readKey = "r".repeat(64);

  test("without a key the address names the room and the server, and the link just the room", () => {
    const address = new URL("http://localhost:8080/?room=a%20b%26c&server=wss%3A%2F%2Fx.example#y");
    expect(roomIn(address)).toEqual({ room: "a b&c", secret: null, token: null });
    expect(serverFor(address)).toBe("wss://x.example");
    const sent = new URL(linkTo("a b&c", null, address));
    expect(roomIn(sent).room).toBe("a b&c");
    expect(sent.hash).toBe("");
    expect(serverFor(sent)).toBe("ws://localhost:8080/ws");
  });

  test.each([{ key }, { readKey }])("with %j all of it goes in the part that no server sees", (secret) => {
    expect(key).toBe("AAECAwQFBgcICQoLDA0O_w");
    const sent = new URL(linkTo("a b&c", secret, new URL("http://localhost:8080/?room=old")));
    expect(roomIn(sent)).toEqual({ room: "a b&c", secret, token: null });
    expect(linkProblem(sent)).toBeNull();
    expect(sent.href.split("#")[0]).toBe("http://localhost:8080/");
  });

  test("an older link opens the same room, whose name leaves the query", () => {
    const old = new URL(`http://localhost/?room=garden&server=ws%3A%2F%2Fx#key=${key}`);
    const entered = roomIn(old);
    expect(entered).toEqual({ room: "garden", secret: { key }, token: null });
    const shown = addressOf(entered, old);
    expect(shown.href).toBe(`http://localhost/?server=ws%3A%2F%2Fx#room=garden&key=${key}`);
    expect(roomIn(shown)).toEqual(entered);
  });

  test("a token goes with the address, and with no link that is made there", () => {
    const address = new URL(`http://localhost/#room=garden&key=${key}&token=a.b.c`);
    const entered = roomIn(address);
    expect(entered.token).toBe("a.b.c");
    expect(addressOf(entered, address).href).toBe(address.href);
    expect(linkTo("garden", entered.secret, address)).not.toContain("token");
  });

  test.each(["", "#", "#editor"])("an address that ends with %j has no key", (fragment) => {
    const address = new URL(`http://localhost/?room=x${fragment}`);
    expect(roomIn(address).secret).toBeNull();
    expect(linkProblem(address)).toBeNull();
  });

  test.each(["key=", "key=short", `key=${"x".repeat(30)}%20`, "read=short", `read=${key}`])(
    "a room whose key is %j is not opened as one without",
    (cut) => {
      for (const address of [`http://localhost/?room=x#${cut}`, `http://localhost/#room=x&${cut}`]) {
        expect(roomIn(new URL(address)).secret).toBeNull();
        expect(linkProblem(new URL(address))).toMatch(/cut short/);
      }
    },
  );

  test.each([
    `#room=garden%26key=${key}`,
    `#room=garden&amp;key=${key}`,
    `#room=garden&KEY=${key}`,
    `#room=garden%26amp;key=${key}`,
    `#room=garden%2526read%253D${key}`,
    `#room=garden%26Read%3D${key}`,
    `?room=garden%23key=${key}`,
    `?room=garden#key%3D${key}`,
    `#room%3Dgarden%26key%3D${key}`,
  ])("a link that was changed to %j opens no room without a key", (changed) => {
    expect(linkProblem(new URL(changed, "http://localhost/"))).toMatch(/changed on the way: copy the whole/);
  });

  test.each(["monkey", "salt & pepper", "a&b=c", "key=x", "a&keys=b"])("a room may be named %j", (room) => {
    const link = new URL(linkTo(room, { key }, new URL("http://localhost/")));
    expect(linkProblem(link)).toBeNull();
    expect(roomIn(link).room).toBe(room);
  });

  test("a page served safely uses a safe socket", () => {
    expect(serverFor(new URL("https://example.org/?room=x"))).toBe("wss://example.org/ws");
  });

  test("an address without a room names none", () => {
    expect(roomIn(new URL("http://localhost/")).room).toBeNull();
    expect(roomIn(new URL("http://localhost/?room=")).room).toBeNull();
  });

  const named = (room: string) => linkProblem(new URL(`http://localhost/?${new URLSearchParams({ room })}`));

  test("new names can be used, and differ", () => {
    let drawn = 0;
    const names = Array.from({ length: 50 }, () => newRoom((limit) => (drawn += 7919) % limit));
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(named(name)).toBeNull();
  });

  test("names that the server would refuse are seen beforehand", () => {
    expect(named("ö".repeat(64))).toBeNull();
    expect(named("ö".repeat(65))).toMatch(/long/);
    expect(named("a\u0007b")).toMatch(/control/);
  });
});

describe("problems", () => {
  const failure = (code: string) => Object.assign(new Error("what it said"), { code });

  test("known problems are shown with what to do; the program's words come along", () => {
    const problem = problemOf(failure("signaling_unreachable"));
    expect(problem?.title).toBe("The server cannot be reached");
    expect(problem?.advice).toMatch(/Check/);
    expect(problem?.detail).toBe("what it said (signaling_unreachable)");
  });

  test("unknown problems are shown, too", () => {
    for (const error of [failure("never_heard_of"), new Error("what it said"), "what it said"]) {
      expect(problemOf(error)?.title).toBe("Something went wrong");
      expect(problemOf(error)?.detail).toMatch(/^what it said/);
    }
  });

  test("what someone did himself is no problem", () => {
    expect(problemOf(failure("interrupted"))).toBeNull();
  });
});
