"""Uploads a file with tuspy over a link that breaks in the midst of a piece.

    tus.py <server> <access token> <file>

Prints one JSON line: where each piece began, and the media that came of it.
"""

import json
import re
import socket
import sys
import threading
from urllib.parse import urlsplit

import requests
from tusclient import client


class Link:
    """Passes bytes on to the server, and breaks once, after this many of a piece."""

    def __init__(self, server, breaks_after):
        self.server, self.left = server, breaks_after
        self.began_at = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()

    @property
    def url(self):
        return "http://%s:%d" % self.listener.getsockname()

    def serve(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(self.server)
            threading.Thread(target=self.up, args=(near, far), daemon=True).start()
            threading.Thread(target=self.down, args=(far, near), daemon=True).start()

    def up(self, near, far):
        is_piece = False
        while data := near.recv(65536):
            if piece := re.match(rb"PATCH .*?upload-offset: (\d+)", data, re.S | re.I):
                is_piece = True
                self.began_at.append(int(piece[1]))
            if is_piece and self.left is not None:
                data = data[: self.left]
                self.left -= len(data)
            far.sendall(data)
            if self.left == 0:
                self.left = None
                break
        for end in (far, near):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def down(self, far, near):
        try:
            while data := far.recv(65536):
                near.sendall(data)
            near.shutdown(socket.SHUT_WR)
        except OSError:
            pass


server, token, path = sys.argv[1:]
link = Link((urlsplit(server).hostname, urlsplit(server).port), breaks_after=1_000_000)
headers = {"Authorization": f"Bearer {token}"}
tus = client.TusClient(f"{link.url}/api/uploads/", headers=headers)
uploader = tus.uploader(path, retries=5, retry_delay=1, metadata={"filename": "film.mp4"})
uploader.upload()
answer = requests.head(uploader.url, headers=headers | {"Tus-Resumable": "1.0.0"}, timeout=20)
media = requests.get(
    f"{server}/api/posts/media/{answer.headers['Media-Id']}/", headers=headers, timeout=20
)
print(json.dumps({"began_at": link.began_at, "media": media.json()}))
