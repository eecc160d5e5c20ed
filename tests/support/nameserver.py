"""A DNS server that knows one name: nameserver.py ADDRESS PORTFILE NAME TTLFILE.

Every A question for NAME is answered with 127.0.2.1 and the time to live that
stands in TTLFILE now; anything else does not exist."""

import socket
import struct
import sys

address, portfile, name, ttlfile = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((address, 0))
with open(portfile, "w") as f:
    f.write(str(s.getsockname()[1]))
wanted = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
while True:
    question, peer = s.recvfrom(4096)
    at = question.index(b"\0", 12) + 1
    asked = question[12:at]
    kind = struct.unpack(">H", question[at:at + 2])[0]
    head = question[:2]
    body = question[12:at + 4]
    if asked.lower() == wanted and kind == 1:
        ttl = int(open(ttlfile).read())
        answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, ttl, 4) + bytes([127, 0, 2, 1])
        s.sendto(head + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + body + answer, peer)
    else:
        code = 0x8180 if asked.lower() == wanted else 0x8183
        s.sendto(head + struct.pack(">HHHHH", code, 1, 0, 0, 0) + body, peer)
