// A real y-webrtc client: node webrtc.mjs ws://HOST:PORT/y-webrtc NAME OTHER [PASSWORD]
// It writes its name into the text, prints the text once the other's name is there too, and stays
// until it is ended.

import wrtc from "@roamhq/wrtc";
import WebSocket from "ws";
import * as Y from "yjs";

globalThis.WebSocket ??= WebSocket;
const { WebrtcProvider } = await import("y-webrtc");

const [url, name, other, password] = process.argv.slice(2);
const doc = new Y.Doc();
new WebrtcProvider("team/garden plan", doc, {
  signaling: [url],
  password,
  filterBcConns: false,
  peerOpts: { wrtc, config: { iceServers: [] } },
});
const text = doc.getText("text");
const isThere = () => text.toString().includes(other);
const done = () => process.stdout.write(`${text}\n`);
text.insert(0, `<${name}>`);
if (isThere()) done();
else {
  text.observe(function seen() {
    if (!isThere()) return;
    text.unobserve(seen);
    done();
  });
}
