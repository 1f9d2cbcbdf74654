import { once } from "node:events";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A proxy that passes requests on and breaks WebSockets, as some networks do. */
export class Proxy {
  /** How many WebSockets it broke. */
  broken = 0;
  readonly #server: Server;

  private constructor(target: URL) {
    this.#server = createServer((incoming, outgoing) => {
      const { method, headers, url: path } = incoming;
      const { hostname, port } = target;
      const onward = request({ hostname, port, method, headers, path }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        outgoing.flushHeaders();
        answer.pipe(outgoing);
        answer.on("error", () => outgoing.destroy());
      });
      onward.on("error", () => outgoing.destroy());
      outgoing.on("close", () => onward.destroy());
      incoming.pipe(onward);
    });
    this.#server.on("upgrade", (_, socket) => {
      this.broken += 1;
      socket.destroy();
    });
  }

  /** Starts one in front of a server. */
  static async start(target: string): Promise<Proxy> {
    const proxy = new Proxy(new URL(target));
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  /** A link to the server, by way of the proxy. */
  link(link: string): string {
    const url = new URL(link);
    url.port = String((this.#server.address() as AddressInfo).port);
    return url.href;
  }

  /** Breaks every connection that is open. */
  breakAll(): void {
    this.#server.closeAllConnections();
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.breakAll();
    await once(this.#server, "close");
  }
}
