# SPDX-License-Identifier: Apache-2.0
# Takes orders by TCP, a line each, prints them, and answers with the line it is given.
import socket
import sys

server = socket.create_server(("10.0.0.1", 9999))
print("ready", flush=True)
order = ""
while order != "done":
    peer, _ = server.accept()
    with peer, peer.makefile("rw") as lines:
        order = lines.readline().strip()
        print(order, flush=True)
        print(sys.stdin.readline().strip(), file=lines, flush=True)
