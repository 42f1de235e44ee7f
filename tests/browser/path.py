"""The way of a browser's packets to the box, which can be cut without either of them being told."""

import select
import socket
import threading

# The page's n-th connection sends to the n-th path instead of the box; where that leads is asked for afterwards.
DETOUR = """(() => {
  const ports = %s, real = RTCPeerConnection.prototype.setRemoteDescription;
  window.targets = [];
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const lines = description.sdp.split("\\r\\n");
    const first = lines.find((line) => /^a=candidate:(\\S+ ){4}[\\d.]+ /.test(line));
    if (!first || window.targets.length >= ports.length) return real.call(this, description);
    const words = first.split(" ");
    const port = ports[window.targets.length];
    window.targets.push([words[4], Number(words[5])]);
    words[4] = "127.0.0.1";
    words[5] = port;
    const sdp = lines.filter((line) => !line.startsWith("a=candidate:") || line === first)
      .map((line) => line === first ? words.join(" ") : line).join("\\r\\n");
    return real.call(this, { type: description.type, sdp });
  };
})()"""


class Path:
    def __init__(self):
        self.near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.near.bind(("127.0.0.1", 0))
        self.far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # The first of the browser's addresses that comes this way; a path has one end.
        self.target = self.browser = None
        self.cut = False
        threading.Thread(target=self.carry, daemon=True).start()

    def port(self):
        return self.near.getsockname()[1]

    def carry(self):
        while not self.cut:
            for ready in select.select([self.near, self.far], [], [], 0.1)[0]:
                packet, sender = ready.recvfrom(4096)
                if self.cut:
                    return
                if ready is self.far:
                    self.near.sendto(packet, self.browser)
                elif self.target:
                    self.browser = self.browser or sender
                    if sender == self.browser:
                        self.far.sendto(packet, self.target)
