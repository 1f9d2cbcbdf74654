// A server that knows the text: it is a replica like the others, and passes on what one of them sends.
import init, { Document, Version } from "crdt-wasm";
import { WebSocketServer } from "ws";
import { serve } from "../serve.js";

await init();
const doc = new Document({ name: "server" });
const server = new WebSocketServer({ server: await serve(new URL("./", import.meta.url)) });

/** The first byte of a message says what it is. */
const VERSION = 0;
const UPDATE = 1;

function message(kind, bytes) {
  return Uint8Array.of(kind, ...bytes);
}

doc.on("update", (update, { origin }) => {
  for (const socket of server.clients) {
    if (socket !== origin && socket.readyState === socket.OPEN) socket.send(message(UPDATE, update));
  }
});

server.on("connection", (socket) => {
  socket.send(message(VERSION, doc.version().toBytes()));
  socket.on("message", (data) => {
    try {
      if (data[0] === VERSION) {
        const version = Version.fromBytes(data.subarray(1));
        socket.send(message(UPDATE, doc.encodeSince(version)));
      } else {
        doc.merge(data.subarray(1), socket);
      }
    } catch (error) {
      // Anybody may send anything.
      socket.close(1008, error.code);
    }
  });
});
