"""An HTTP proxy as companies have it: opens tunnels (CONNECT) to names that only it can resolve."""

import base64
import socket
import threading

from .wire import HEAD_END, first, parse_head


class Proxy:
    """`targets`: {"host:port": port on this machine}. `refuse`: a status, or bytes, for every request instead of a
    tunnel; "" is silence. `credential`: (user, password) that it wants."""

    def __init__(self, targets, credential=None, refuse=None):
        self.targets, self.credential, self.refuse = dict(targets), credential, refuse
        self.requests = []  # (target, fields) of every CONNECT, in order
        self.heads = []  # all that came before a tunnel, raw
        self._sockets = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def asked(self):
        return [target for target, _ in self.requests]

    def close(self):
        for s in [self._listener, *self._sockets]:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def _accept(self):
        while True:
            try:
                s, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(s)
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        try:
            s.settimeout(60)
            head = b""
            while HEAD_END not in head:
                data = s.recv(4096)
                if not data:
                    return
                head += data
            self.heads.append(head)
            line, fields = parse_head(head.partition(HEAD_END)[0])
            method, target, _ = line.split(" ", 2)
            self.requests.append((target, fields))
            answer = self._judge(method, target, fields)
            if answer is None:
                s.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 corp\r\n\r\n")
                self._carry(s, self.targets[target])
            elif answer == "":
                s.recv(1)
            else:
                s.sendall(answer if isinstance(answer, bytes) else
                          f"HTTP/1.1 {answer} Because\r\nContent-Length: 5\r\n\r\nsorry".encode())
        except OSError:
            pass
        finally:
            s.close()

    def _judge(self, method, target, fields):
        if self.refuse is not None:
            return self.refuse
        if method != "CONNECT":
            return 405
        if self.credential:
            wanted = "Basic " + base64.b64encode(":".join(self.credential).encode()).decode()
            if first(fields, "proxy-authorization") != wanted:
                return 407
        return None if target in self.targets else 502

    def _carry(self, s, port):
        with socket.create_connection(("127.0.0.1", port)) as far:
            self._sockets.append(far)
            back = threading.Thread(target=pump, args=(far, s), daemon=True)
            back.start()
            pump(s, far)
            back.join()


def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
