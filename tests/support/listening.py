"""A server of a test's own: a thread for each connection."""

import socket
import threading


class ThreadedServer:
    """Calls serve(socket) on a thread of its own for each connection. Runs once listen() was called."""

    def listen(self, backlog):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
