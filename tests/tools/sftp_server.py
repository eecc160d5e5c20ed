#!/usr/bin/env python3
"""An SFTP server (version 3) that lies: sftp_server.py HOW, on its standard
input and output, as an sshd's forced command.

plain    tells the truth and offers no extension
flip     what is read has one bit wrong
short    what is read ends half way
drop     forgets a part of what is written
more     answers a read with more than was asked for
unasked  answers what nobody asked
huge     a message of 2 GiB
endless  a directory that never ends
slash    a directory with a name no file can have
"""
import errno
import os
import stat
import struct
import sys

HOW = sys.argv[1]
(INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT) = range(1, 9)
OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT = range(11, 18)
RENAME, READLINK = 18, 19
STATUS, HANDLE, DATA, NAME, ATTRS = range(101, 106)
inp, out = sys.stdin.buffer, sys.stdout.buffer
handles, count, answers = {}, 0, 0


def u32(v):
    return struct.pack('>I', v)


def text(b):
    return u32(len(b)) + b


def send(kind, number, body):
    out.write(u32(5 + len(body)) + bytes([kind]) + u32(number) + body)
    out.flush()


def status(number, code, why=b''):
    send(STATUS, number, u32(code) + text(why) + text(b''))


def attrs(s):
    return struct.pack('>IQIIIII', 15, s.st_size, s.st_uid, s.st_gid,
                       s.st_mode, int(s.st_atime), int(s.st_mtime))


class Body:
    def __init__(self, b):
        self.b = b

    def take(self, fmt):
        v, = struct.unpack_from('>' + fmt, self.b)
        self.b = self.b[struct.calcsize('>' + fmt):]
        return v

    def string(self):
        n = self.take('I')
        v, self.b = self.b[:n], self.b[n:]
        return v


def new(what):
    global count
    count += 1
    name = b'%d' % count
    handles[name] = what
    return name


def read(number, fd, offset, length):
    data = os.pread(fd, length, offset)
    size = os.fstat(fd).st_size
    if HOW == 'short' and offset + len(data) > size // 2:
        data = data[:max(0, size // 2 - offset)]
    if not data:
        return status(number, 1)
    if HOW == 'flip':
        data = bytes([data[0] ^ 1]) + data[1:]
    if HOW == 'more':
        data += b'x' * (length - len(data) + 1)
    send(DATA, number, text(data))


def readdir(number, d):
    if HOW == 'slash':
        names = [b'../../etc']
    elif HOW == 'endless':
        names = [b'ab'] * 100
    else:
        names, d[1] = d[1][:50], d[1][50:]
    if not names:
        return status(number, 1)
    body = u32(len(names))
    for n in names:
        try:
            s = os.lstat(os.path.join(d[0], n))
        except OSError:
            s = os.lstat(d[0])
        body += text(n) + text(b'') + attrs(s)
    send(NAME, number, body)


def serve(kind, number, b):
    if kind == OPEN:
        path, flags = b.string(), b.take('I')
        mode = (os.O_RDWR if flags & 3 == 3 else
                os.O_WRONLY if flags & 2 else os.O_RDONLY)
        mode |= (os.O_CREAT if flags & 8 else 0)
        mode |= (os.O_EXCL if flags & 32 else 0)
        send(HANDLE, number, text(new(os.open(path, mode, 0o600))))
    elif kind == CLOSE:
        h = handles.pop(b.string())
        if isinstance(h, int):
            os.close(h)
        status(number, 0)
    elif kind == READ:
        h = handles[b.string()]
        read(number, h, b.take('Q'), b.take('I'))
    elif kind == WRITE:
        h, at, data = handles[b.string()], b.take('Q'), b.string()
        if HOW == 'drop' and at > 0:
            data = bytes(len(data))
        os.pwrite(h, data, at)
        status(number, 0)
    elif kind in (LSTAT, STAT):
        send(ATTRS, number, attrs((os.lstat if kind == LSTAT else os.stat)(
            b.string())))
    elif kind == FSTAT:
        send(ATTRS, number, attrs(os.fstat(handles[b.string()])))
    elif kind == OPENDIR:
        path = b.string()
        send(HANDLE, number, text(new([path, sorted(os.listdir(path))])))
    elif kind == READDIR:
        readdir(number, handles[b.string()])
    elif kind == REMOVE:
        os.unlink(b.string())
        status(number, 0)
    elif kind == MKDIR:
        os.mkdir(b.string(), 0o700)
        status(number, 0)
    elif kind == RMDIR:
        os.rmdir(b.string())
        status(number, 0)
    elif kind == RENAME:
        a, z = b.string(), b.string()
        os.link(a, z)
        os.unlink(a)
        status(number, 0)
    else:
        status(number, 8)


def main():
    global answers
    while True:
        head = inp.read(4)
        if len(head) < 4:
            return
        message = inp.read(struct.unpack('>I', head)[0])
        if message[0] == INIT:
            out.write(u32(5) + bytes([VERSION]) + u32(3))
            out.flush()
            continue
        number, = struct.unpack_from('>I', message, 1)
        answers += 1
        if HOW == 'unasked' and answers == 3:
            status(number + 77, 0)
        if HOW == 'huge' and answers == 3:
            out.write(u32(1 << 31) + bytes(100))
            out.flush()
        try:
            serve(message[0], number, Body(message[5:]))
        except OSError as e:
            status(number, {errno.ENOENT: 2, errno.EACCES: 3}.get(e.errno, 4))


main()
