// A bare data channel between two pages, without any library: for the difference of their clocks,
// and for how fast bytes go at all.
const WINDOW = 1024 * 1024;
const MESSAGE = 16 * 1024;

const now = () => performance.timeOrigin + performance.now();
const connection = new RTCPeerConnection();
let channel;

const gathered = () =>
  new Promise((resolve) => {
    const check = () => connection.iceGatheringState === "complete" && resolve();
    connection.addEventListener("icegatheringstatechange", check);
    check();
  });
const opened = () =>
  new Promise((resolve) => {
    if (channel?.readyState === "open") resolve();
    else if (channel) channel.addEventListener("open", () => resolve());
    else connection.addEventListener("datachannel", () => resolve());
  });
const description = () => connection.localDescription.toJSON();

function adopt(found) {
  channel = found;
  channel.binaryType = "arraybuffer";
}

globalThis.raw = {
  async offer() {
    adopt(connection.createDataChannel("raw", { ordered: true }));
    await connection.setLocalDescription();
    await gathered();
    return description();
  },

  async answer(offer) {
    connection.addEventListener("datachannel", (event) => {
      adopt(event.channel);
      // Answers every ping with the time here.
      channel.addEventListener("message", ({ data }) => {
        if (typeof data === "string") channel.send(String(now()));
      });
    });
    await connection.setRemoteDescription(offer);
    await connection.setLocalDescription();
    await gathered();
    return description();
  },

  async accept(answer) {
    await connection.setRemoteDescription(answer);
    await opened();
  },

  /** How far the other page's clock is ahead of this one's, and the round trips. */
  async clock(count) {
    const pings = [];
    for (let ping = 0; ping < count; ping += 1) {
      const sent = now();
      const there = await new Promise((resolve) => {
        channel.addEventListener("message", ({ data }) => resolve(Number(data)), { once: true });
        channel.send("ping");
      });
      const back = now();
      pings.push({ trip: back - sent, ahead: there - (sent + back) / 2 });
    }
    pings.sort((one, other) => one.trip - other.trip);
    return { ahead: pings[0].ahead, trip: pings[Math.floor(count / 2)].trip };
  },

  /** Takes the time of every binary message that comes from now on, by its first four bytes. */
  listen() {
    globalThis.arrivals = [];
    channel.addEventListener("message", ({ data }) => {
      if (typeof data !== "string") arrivals.push([new DataView(data).getUint32(0), now()]);
    });
  },

  arrivals: () => globalThis.arrivals,

  /** Sends numbered messages of so many bytes, one each `gap` ms; returns when each was sent. */
  async type(count, gap, bytes) {
    const presses = [];
    const message = new Uint8Array(bytes);
    const begun = performance.now() + gap;
    for (let key = 0; key < count; key += 1) {
      const wait = begun + key * gap - performance.now();
      await new Promise((resolve) => setTimeout(resolve, wait));
      new DataView(message.buffer).setUint32(0, key);
      presses.push([key, now()]);
      channel.send(message);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    return presses;
  },

  /** Waits for so many bytes; returns when the last was there. */
  receive(bytes) {
    let got = 0;
    globalThis.received = new Promise((resolve) => {
      channel.addEventListener("message", ({ data }) => {
        got += data.byteLength ?? 0;
        if (got >= bytes) resolve(now());
      });
    });
  },

  received: () => globalThis.received,

  /** Sends so many bytes, at most 1 MiB ahead; returns when it began. */
  async send(bytes) {
    const message = crypto.getRandomValues(new Uint8Array(MESSAGE));
    channel.bufferedAmountLowThreshold = WINDOW / 4;
    const begun = now();
    for (let left = bytes; left > 0; left -= MESSAGE) {
      if (channel.bufferedAmount > WINDOW) {
        await new Promise((resolve) => {
          channel.addEventListener("bufferedamountlow", () => resolve(), { once: true });
        });
      }
      channel.send(left < MESSAGE ? message.subarray(0, left) : message);
    }
    return begun;
  },
};
