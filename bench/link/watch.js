// Runs in each page before anything else: what goes through data channels is counted, and when the
// first of them opened is kept, when something was last sent, and when something last came. Both
// libraries are watched alike.
//
// Where `plain` is set, our hello says of nothing that goes beyond the version that it is taken: then
// a history comes uncompressed.
globalThis.channels = {
  openedAt: null,
  sentAt: null,
  cameAt: null,
  sent: 0,
  messages: 0,
  received: 0,
  plain: false,
};

/** Where in our hello that stands, and what a hello begins with. */
const CAPABILITIES = 3;
const HELLO = 1;

{
  const { channels } = globalThis;
  const size = (data) => (typeof data === "string" ? data.length : data.byteLength);
  const { send } = RTCDataChannel.prototype;
  RTCDataChannel.prototype.send = function (data) {
    channels.sentAt = performance.now();
    if (channels.plain && data[0] === HELLO) data[CAPABILITIES] = 0;
    send.call(this, data);
    channels.sent += size(data);
    channels.messages += 1;
  };
  const watch = (channel) => {
    const opened = () => (channels.openedAt ??= performance.now());
    if (channel.readyState === "open") opened();
    else channel.addEventListener("open", opened);
    channel.addEventListener("message", ({ data }) => {
      channels.cameAt = performance.now();
      channels.received += size(data);
    });
    return channel;
  };
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...parameters) {
      super(...parameters);
      this.addEventListener("datachannel", ({ channel }) => watch(channel));
    }

    createDataChannel(...parameters) {
      return watch(super.createDataChannel(...parameters));
    }
  };
}
