"""A name server of one's own on loopback: UDP alone, a test says what it answers."""

import socket
import struct
import threading

A, AAAA = 1, 28


class Dns:
    """Dns({"good.test": "127.0.0.1"}): names that it does not know get no answer at all."""

    def __init__(self, names=None, ttl=0):
        self.names, self.ttl = dict(names or {}), ttl
        self.asked = []  # names whose IPv4 address was asked for
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def close(self):
        self.open = False
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()

    def _work(self):
        self.open = True
        while True:
            message, sender = self.socket.recvfrom(4096)
            if not self.open:
                return
            labels, at = [], 12
            while message[at]:
                labels.append(message[at + 1:at + 1 + message[at]].decode())
                at += 1 + message[at]
            question, name = message[12:at + 5], ".".join(labels)
            kind = struct.unpack("!H", message[at + 1:at + 3])[0]
            if kind == A:
                self.asked.append(name)
            if name not in self.names:
                continue
            ip = self.names[name]
            code = 3 if ip is None else 0
            answers = [socket.inet_aton(ip)] if ip and kind == A else []
            out = message[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(answers), 0, 0) + question
            for data in answers:
                out += struct.pack("!HHHIH", 0xC00C, kind, 1, self.ttl, len(data)) + data
            self.socket.sendto(out, sender)
