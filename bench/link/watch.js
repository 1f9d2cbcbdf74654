// Runs in each page before anything else: what goes through data channels is counted, and when the
// first of them opened is kept. Both libraries are watched alike.
globalThis.channels = { openedAt: null, sent: 0, messages: 0, received: 0 };

{
  const { channels } = globalThis;
  const size = (data) => (typeof data === "string" ? data.length : data.byteLength);
  const { send } = RTCDataChannel.prototype;
  RTCDataChannel.prototype.send = function (data) {
    send.call(this, data);
    channels.sent += size(data);
    channels.messages += 1;
  };
  const watch = (channel) => {
    const opened = () => (channels.openedAt ??= performance.now());
    if (channel.readyState === "open") opened();
    else channel.addEventListener("open", opened);
    channel.addEventListener("message", ({ data }) => (channels.received += size(data)));
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
