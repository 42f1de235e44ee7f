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
    const first = lines.find((line) => line.startsWith("a=candidate:"));
    if (!first || window.targets.length >= ports.length) return real.call(this, description);
    const words = first.split(" ");
    const port = ports[window.targets.length];
    window.targets.push([words[4], Number(words[5])]);
    words[5] = port;
    const sdp = lines.filter((line) => !line.startsWith("a=candidate:") || line === first)
      .map((line) => line === first ? words.join(" ") : line).join("\\r\\n");
    return real.call(this, { type: description.type, sdp });
  };
})()"""


class Path:
    def __init__(self):
        self.near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.near.bind(("0.0.0.0", 0))
        # A socket for each of the browser's addresses, as a router has it.
        self.far = {}
        self.target = None
        self.cut = False
        threading.Thread(target=self.carry, daemon=True).start()

    def port(self):
        return self.near.getsockname()[1]

    def carry(self):
        while not self.cut:
            by_socket = {far: browser for browser, far in self.far.items()}
            for ready in select.select([self.near, *by_socket], [], [], 0.1)[0]:
                packet, sender = ready.recvfrom(4096)
                if self.cut:
                    return
                if ready is not self.near:
                    self.near.sendto(packet, by_socket[ready])
                elif self.target:
                    if sender not in self.far:
                        self.far[sender] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    self.far[sender].sendto(packet, self.target)
