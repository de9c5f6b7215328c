#!/usr/bin/env python3
"""Makes the corpus of odd images: layers that container engines read in surprising ways, or refuse.

    make_odd_tars.py OUT

writes for each case `OUT/NAME.tar` (the old `docker save` layout) and `OUT/NAME/` (an OCI layout with the same layer
bytes), and lists the names in `OUT/cases`. Same bytes at each run. Formats: POSIX pax (IEEE Std 1003.1), GNU tar's
manual ("Basic Tar Format", "Sparse Formats"), RFC 1952, OCI image-spec 1.1 (layer.md).
"""
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

BLOCK = 512
END = bytes(2 * BLOCK)


def padded(data):
    return data + bytes(-len(data) % BLOCK)


def octal(value, width):
    return b"%0*o\0" % (width - 1, value)


def header(name, kind=b"0", size=0, link=b"", mode=0o644, device=(0, 0), magic=b"ustar\x0000", prefix=b"", checksum=None,
           tail=None):
    """One header block; `tail` replaces what follows the magic's fields (offset 345)."""
    assert len(name) <= 100 and len(link) <= 100, name
    block = bytearray(BLOCK)
    fields = [(0, name), (100, octal(mode, 8)), (108, octal(0, 8)), (116, octal(0, 8)), (124, octal(size, 12)),
              (136, octal(0, 12)), (148, b" " * 8), (156, kind), (157, link), (257, magic), (329, octal(device[0], 8)),
              (337, octal(device[1], 8)), (345, prefix if tail is None else tail)]
    for offset, value in fields:
        block[offset:offset + len(value)] = value
    total = sum(block) if checksum is None else checksum
    block[148:156] = b"%06o\0 " % total
    return bytes(block)


def file(name, data=b"file\n", **more):
    return header(name, size=len(data), **more) + padded(data)


def directory(name, mode=0o755, **more):
    return header(name, kind=b"5", mode=mode, **more)


def symlink(name, target, **more):
    return header(name, kind=b"2", link=target, mode=0o777, **more)


def hard(name, target, **more):
    return header(name, kind=b"1", link=target, **more)


def pax(kind=b"x", **records):
    return pax_records([(key.replace("__", ".").encode(), value) for key, value in records.items()], kind)


def pax_records(records, kind=b"x"):
    body = b""
    for key, value in records:
        length = len(key) + len(value) + 3  # blank, equals sign, newline
        total = length + len(str(length))
        total = length + len(str(total))  # its own digits count too, and may be one more
        body += b"%d %s=%s\n" % (total, key, value)
    return header(b"PaxHeaders/x", kind=kind, size=len(body)) + padded(body)


def gnu_long(value, kind=b"L"):
    return header(b"././@LongLink", kind=kind, size=len(value) + 1, magic=b"ustar  \0") + padded(value + b"\0")


def rechecked(block, offset, value):
    """`block` with other bytes at `offset`, and the checksum that goes with them."""
    block = bytearray(block)
    block[offset:offset + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def signed_sum(block):
    return sum(byte - 256 if byte > 127 else byte for byte in block[:148] + b" " * 8 + block[156:])


def layer(*entries, end=END):
    return b"".join(entries) + end


CASES = {}


def case(name, *layers):
    assert name not in CASES, name
    CASES[name] = layers


# ---- the same name twice in one layer ---------------------------------------------------------------------------
case("duplicate-file-file", layer(file(b"a", b"first\n"), file(b"a", b"second\n")))
case("duplicate-directory-file", layer(directory(b"a"), file(b"a/in"), file(b"a", b"now a file\n")))
case("duplicate-empty-directory-file", layer(directory(b"a"), file(b"a", b"now a file\n")))
case("duplicate-file-directory", layer(file(b"a"), directory(b"a"), file(b"a/in")))
case("duplicate-directory-directory", layer(directory(b"a"), file(b"a/in"), directory(b"a")))
case("duplicate-symlink-directory", layer(directory(b"b"), symlink(b"a", b"b"), directory(b"a"), file(b"a/in")))
case("duplicate-directory-symlink", layer(directory(b"b"), directory(b"a"), file(b"a/in"), symlink(b"a", b"b")))
case("duplicate-symlink-file", layer(file(b"b", b"target\n"), symlink(b"a", b"b"), file(b"a", b"own\n")))
case("duplicate-file-symlink", layer(file(b"b"), file(b"a"), symlink(b"a", b"b")))
case("duplicate-file-hard-link", layer(file(b"b", b"b\n"), file(b"a", b"a\n"), hard(b"a", b"b")))
case("duplicate-by-dot-slash", layer(file(b"a", b"first\n"), file(b"./a", b"second\n")))
case("duplicate-directory-with-and-without-slash", layer(directory(b"a/"), file(b"a/in"), directory(b"a")))

# ---- extension headers -------------------------------------------------------------------------------------------
case("pax-path", layer(pax(path=b"by/pax"), file(b"by-header")))
case("pax-path-long", layer(pax(path=b"d/" + b"n" * 200), file(b"short")))
case("pax-path-empty", layer(pax(path=b""), file(b"by-header")))
case("pax-path-twice", layer(pax_records([(b"path", b"one"), (b"path", b"two")]), file(b"zero")))
case("pax-path-two-headers", layer(pax(path=b"one"), pax(mtime=b"1"), file(b"zero")))
case("pax-path-trailing-slash-on-file", layer(pax(path=b"a/"), file(b"b")))
case("pax-linkpath", layer(file(b"t"), pax(linkpath=b"pax-target"), symlink(b"a", b"header-target")))
case("pax-linkpath-hard", layer(file(b"t", b"t\n"), file(b"u", b"u\n"), pax(linkpath=b"t"), hard(b"a", b"u")))
case("pax-linkpath-empty", layer(file(b"t"), pax(linkpath=b""), symlink(b"a", b"t")))
case("pax-size-larger", layer(pax(size=b"600"), header(b"a", size=0) + padded(b"y" * 600), file(b"after")))
case("pax-size-smaller", layer(pax(size=b"0"), header(b"a", size=512), file(b"hidden-or-not"), file(b"after")))
case("pax-size-equal", layer(pax(size=b"5"), file(b"a"), file(b"after")))
case("pax-size-not-a-number", layer(pax(size=b"many"), file(b"a")))
case("pax-on-directory", layer(pax(path=b"real-directory"), directory(b"d"), file(b"real-directory/in")))
case("pax-then-end", layer(file(b"a"), pax(path=b"never")))
case("pax-bad-record", layer(header(b"x", kind=b"x", size=9) + padded(b"99 path=a"), file(b"a")))
case("pax-gnu-long-name-after", layer(pax(path=b"by-pax"), gnu_long(b"by-gnu"), file(b"by-header")))
case("pax-gnu-long-name-before", layer(gnu_long(b"by-gnu"), pax(path=b"by-pax"), file(b"by-header")))
case("pax-path-with-nul", layer(pax(path=b"a\0b"), file(b"h")))
case("pax-global-path", layer(pax(b"g", path=b"by-global"), file(b"a"), file(b"b")))
case("pax-global-comment", layer(pax(b"g", comment=b"c"), file(b"a")))
case("pax-global-size", layer(pax(b"g", size=b"0"), file(b"a"), file(b"b")))
case("gnu-long-name", layer(gnu_long(b"long/" + b"n" * 150), file(b"short")))
case("gnu-long-name-short-value", layer(gnu_long(b"by-gnu"), file(b"by-header")))
case("gnu-long-name-twice", layer(gnu_long(b"one"), gnu_long(b"two"), file(b"zero")))
case("gnu-long-link", layer(gnu_long(b"t/" + b"n" * 150, b"K"), symlink(b"a", b"short")))
case("gnu-long-name-and-link", layer(gnu_long(b"t" * 120, b"K"), gnu_long(b"n" * 120), symlink(b"a", b"b")))
case("gnu-long-name-then-end", layer(file(b"a"), gnu_long(b"never")))
case("ustar-prefix", layer(file(b"name", prefix=b"some/prefix")))
case("ustar-prefix-in-gnu-header", layer(file(b"name", prefix=b"some/prefix", magic=b"ustar  \0")))
case("v7-no-magic", layer(file(b"name", magic=b"", prefix=b"")))
case("v7-prefix-is-no-prefix", layer(file(b"name", magic=b"", prefix=b"some/prefix")))
case("star-prefix", layer(file(b"name", tail=b"star/prefix".ljust(131, b"\0") + octal(0, 12) + octal(0, 12)
                               + bytes(8) + b"tar\0")))
case("base-256-size", layer(rechecked(header(b"a"), 124, b"\x80" + bytes(10) + b"\x05") + padded(b"data\n"), file(b"b")))
case("base-256-size-negative", layer(rechecked(header(b"a"), 124, b"\xff" * 12), file(b"b")))
case("size-not-octal", layer(rechecked(header(b"a"), 124, b"hello world\0"), file(b"b")))
case("size-blank", layer(rechecked(header(b"a"), 124, b" " * 12), file(b"b")))

# ---- where the archive ends --------------------------------------------------------------------------------------
case("empty-layer", layer())
case("empty-layer-repeated", layer(file(b"a")), layer(), layer())
case("same-layer-twice", layer(file(b"a"), file(b".wh.b")), layer(file(b"a"), file(b".wh.b")))
case("data-after-end", layer(file(b"a")) + layer(file(b"after")))
case("data-after-end-not-tar", layer(file(b"a")) + b"rubbish" * 100)
case("one-zero-block-then-data", layer(file(b"a"), end=bytes(BLOCK)) + layer(file(b"after")))
case("one-zero-block-then-rubbish", layer(file(b"a"), end=bytes(BLOCK)) + b"rubbish" * 200)
case("one-zero-block-then-nothing", layer(file(b"a"), end=bytes(BLOCK)))
case("no-end-blocks", layer(file(b"a"), end=b""))
case("no-bytes", b"")
case("half-a-block", layer(file(b"a"), end=b"") + b"half" * 20)
case("truncated-data", (header(b"a", size=2000) + b"x" * 700))
case("truncated-padding", header(b"a", size=5) + b"hello")
case("bad-checksum", layer(file(b"a"), file(b"b", checksum=1)))
case("bad-checksum-first", layer(file(b"b", checksum=1)))
case("signed-checksum", layer(file(b"caf\xc3\xa9", checksum=signed_sum(file(b"caf\xc3\xa9")[:BLOCK]))))
case("not-a-tar", b"this is no archive\n" * 100)

# ---- compression -------------------------------------------------------------------------------------------------


def member(data):
    return gzip.compress(data, 6, mtime=0)


TWO = layer(file(b"a", b"a" * 3000), file(b"b"))
case("gzip-one-member", (member(TWO), TWO))
case("gzip-two-members", (member(TWO[:700]) + member(TWO[700:]), TWO))
case("gzip-empty-member-between", (member(TWO[:700]) + member(b"") + member(TWO[700:]), TWO))
case("gzip-second-member-after-end", (member(layer(file(b"a"))) + member(layer(file(b"after"))),
                                      layer(file(b"a")) + layer(file(b"after"))))
case("gzip-trailing-zeros", (member(TWO) + bytes(512), TWO))
case("gzip-trailing-garbage", (member(TWO) + b"garbage!" * 9, TWO))
case("gzip-truncated", (member(TWO)[:-10], TWO))
case("gzip-truncated-trailer", (member(TWO)[:-4], TWO))
case("gzip-bad-crc", (member(TWO)[:-8] + b"\1\2\3\4" + member(TWO)[-4:], TWO))

# ---- hard links --------------------------------------------------------------------------------------------------
case("hard-link", layer(file(b"a"), hard(b"b", b"a")))
case("hard-link-before-its-target", layer(hard(b"b", b"a"), file(b"a")))
case("hard-link-absolute-target", layer(file(b"a"), hard(b"b", b"/a")))
case("hard-link-dot-slash-target", layer(file(b"./a"), hard(b"./b", b"./a")))
case("hard-link-climbing-target", layer(file(b"a"), hard(b"b", b"../../a")))
case("hard-link-target-replaced-later", layer(file(b"a", b"old\n"), hard(b"b", b"a"), file(b"a", b"new\n")))
case("hard-link-to-lower-layer", layer(file(b"a", b"low\n")), layer(hard(b"b", b"a")))
case("hard-link-to-lower-layer-then-replaced", layer(file(b"a", b"low\n")),
     layer(hard(b"b", b"a"), file(b"a", b"new\n")))
case("hard-link-to-lower-layer-whited-out-before", layer(file(b"a")), layer(file(b".wh.a"), hard(b"b", b"a")))
case("hard-link-to-lower-layer-whited-out-after", layer(file(b"a")), layer(hard(b"b", b"a"), file(b".wh.a")))
case("hard-link-target-removed-above", layer(file(b"a"), hard(b"b", b"a")), layer(file(b".wh.a")))
case("hard-link-target-replaced-above", layer(file(b"a"), hard(b"b", b"a")), layer(file(b"a", b"new\n")))
case("hard-link-to-symlink", layer(file(b"t"), symlink(b"a", b"t"), hard(b"b", b"a")))
case("hard-link-to-dangling-symlink", layer(symlink(b"a", b"nothing"), hard(b"b", b"a")))
case("hard-link-through-symlinked-directory", layer(directory(b"d"), file(b"d/f"), symlink(b"s", b"d"),
                                                    hard(b"b", b"s/f")))
case("hard-link-to-directory", layer(directory(b"d"), hard(b"b", b"d")))
case("hard-link-to-nothing", layer(hard(b"b", b"nothing")))
case("hard-link-to-itself", layer(hard(b"b", b"b")))
case("hard-link-to-hard-link", layer(file(b"a"), hard(b"b", b"a"), hard(b"c", b"b")))
case("hard-link-over-directory", layer(file(b"a"), directory(b"d"), file(b"d/in"), hard(b"d", b"a")))
case("hard-link-with-size", layer(file(b"a"), header(b"b", kind=b"1", link=b"a", size=5), file(b"c")))
case("hard-link-with-size-and-data", layer(file(b"a"), header(b"b", kind=b"1", link=b"a", size=5) + padded(b"data\n"),
                                           file(b"c")))
case("symlink-with-size", layer(header(b"b", kind=b"2", link=b"a", size=5, mode=0o777), file(b"c")))
case("directory-with-size-and-data", layer(header(b"b", kind=b"5", size=5, mode=0o755) + padded(b"data\n"), file(b"c")))

# ---- whiteouts ---------------------------------------------------------------------------------------------------
LOWER = layer(directory(b"d"), file(b"d/a", b"low a\n"), file(b"d/b", b"low b\n"), directory(b"d/s"), file(b"d/s/c"),
              file(b"top", b"low\n"))
case("whiteout-file", LOWER, layer(directory(b"d"), file(b"d/.wh.a", b"")))
case("whiteout-directory", LOWER, layer(file(b".wh.d", b"")))
case("whiteout-nested-without-parents", LOWER, layer(file(b"d/s/.wh.c", b"")))
case("whiteout-of-nothing", LOWER, layer(file(b".wh.nothing", b"")))
case("whiteout-in-a-directory-of-its-own", LOWER, layer(file(b"fresh/.wh.nothing", b"")))
case("whiteout-then-file", LOWER, layer(file(b".wh.top", b""), file(b"top", b"new\n")))
case("file-then-whiteout", LOWER, layer(file(b"top", b"new\n"), file(b".wh.top", b"")))
case("whiteout-then-directory", LOWER, layer(file(b".wh.d", b""), directory(b"d"), file(b"d/new")))
case("whiteout-then-opaque-directory", LOWER, layer(file(b".wh.d", b""), directory(b"d"), file(b"d/.wh..wh..opq", b""),
                                                   file(b"d/new")))
case("whiteout-then-directory-two-layers", LOWER, layer(file(b"else")), layer(file(b".wh.d", b""), directory(b"d")))
case("directory-then-whiteout", LOWER, layer(directory(b"d"), file(b"d/new"), file(b".wh.d", b"")))
case("directory-whiteout-file-inside", LOWER, layer(directory(b"d"), file(b".wh.d", b""), file(b"d/new")))
case("whiteout-then-file-in-it", LOWER, layer(file(b".wh.d", b""), file(b"d/new")))
case("whiteout-then-symlink", LOWER, layer(file(b".wh.d", b""), symlink(b"d", b"top")))
case("whiteout-is-a-directory", LOWER, layer(directory(b".wh.d")))
case("whiteout-is-a-symlink", LOWER, layer(symlink(b".wh.d", b"x")))
case("whiteout-is-a-hard-link", LOWER, layer(file(b"n"), hard(b".wh.d", b"n")))
case("whiteout-with-content", LOWER, layer(file(b".wh.top", b"content\n")))
case("whiteout-through-lower-symlink", layer(directory(b"d"), file(b"d/a"), symlink(b"s", b"d")),
     layer(file(b"s/.wh.a", b"")))
case("whiteout-through-same-layer-symlink", LOWER, layer(symlink(b"s", b"d"), file(b"s/.wh.a", b"")))
case("whiteout-of-a-symlink", layer(file(b"t"), symlink(b"s", b"t")), layer(file(b".wh.s", b"")))
case("whiteout-and-back", LOWER, layer(file(b".wh.d", b"")), layer(directory(b"d"), file(b"d/back")))
case("whiteout-in-the-lowest-layer", layer(file(b".wh.a", b""), file(b"b")))
case("whiteout-two-layers-below", LOWER, layer(file(b"else")), layer(file(b"d/.wh.a", b"")))
case("whiteout-parent-is-a-file", LOWER, layer(file(b"top/.wh.a", b"")))
case("opaque-first", LOWER, layer(directory(b"d"), file(b"d/.wh..wh..opq", b""), file(b"d/new")))
case("opaque-last", LOWER, layer(directory(b"d"), file(b"d/new"), file(b"d/.wh..wh..opq", b"")))
case("opaque-between", LOWER, layer(directory(b"d"), file(b"d/a", b"up\n"), file(b"d/.wh..wh..opq", b""), file(b"d/z")))
case("opaque-before-its-directory", LOWER, layer(file(b"d/.wh..wh..opq", b""), directory(b"d"), file(b"d/new")))
case("opaque-without-directory-entry", LOWER, layer(file(b"d/.wh..wh..opq", b"")))
case("opaque-last-keeps-nested", LOWER, layer(directory(b"d"), directory(b"d/s"), file(b"d/s/new"),
                                              file(b"d/.wh..wh..opq", b"")))
case("opaque-nested", LOWER, layer(directory(b"d"), directory(b"d/s"), file(b"d/s/.wh..wh..opq", b""), file(b"d/s/n")))
case("opaque-with-whiteout-inside", LOWER, layer(directory(b"d"), file(b"d/.wh..wh..opq", b""), file(b"d/.wh.a", b"")))
case("opaque-last-with-symlink-and-hard-link", LOWER, layer(file(b"n"), directory(b"d"), symlink(b"d/l", b"a"),
                                                            hard(b"d/h", b"n"), file(b"d/.wh..wh..opq", b"")))
case("opaque-root-first", LOWER, layer(file(b".wh..wh..opq", b""), file(b"new")))
case("opaque-root-last", LOWER, layer(file(b"new"), file(b".wh..wh..opq", b"")))
case("opaque-root-dot-slash", LOWER, layer(directory(b"./"), file(b"./.wh..wh..opq", b""), file(b"./new")))
case("opaque-in-the-lowest-layer", layer(directory(b"d"), file(b"d/a"), file(b"d/.wh..wh..opq", b"")))
case("opaque-twice", LOWER, layer(directory(b"d"), file(b"d/.wh..wh..opq", b""), file(b"d/n"),
                                  file(b"d/.wh..wh..opq", b"")))
case("opaque-two-layers", LOWER, layer(directory(b"d"), file(b"d/.wh..wh..opq", b""), file(b"d/mid")),
     layer(directory(b"d"), file(b"d/top")))
case("opaque-of-a-lower-file", LOWER, layer(file(b"top/.wh..wh..opq", b"")))
case("opaque-is-a-directory", LOWER, layer(directory(b"d"), directory(b"d/.wh..wh..opq")))
case("opaque-through-lower-symlink", layer(directory(b"d"), file(b"d/a"), symlink(b"s", b"d")),
     layer(file(b"s/.wh..wh..opq", b"")))
case("opaque-whiteout-of-own-entry", LOWER, layer(directory(b"d"), file(b"d/n"), file(b"d/.wh.n", b""),
                                                  file(b"d/.wh..wh..opq", b"")))
case("aufs-plnk-directory", LOWER, layer(directory(b".wh..wh.plnk"), file(b".wh..wh.plnk/1.2"), file(b"new")))
case("aufs-plnk-hard-link", layer(directory(b".wh..wh.plnk"), file(b".wh..wh.plnk/1.2", b"held\n"),
                                  hard(b"a", b".wh..wh.plnk/1.2")))
case("aufs-name", LOWER, layer(file(b".wh..wh.aufs", b""), file(b"new")))
case("aufs-name-nested", LOWER, layer(directory(b"d"), file(b"d/.wh..wh.foo", b""), file(b"new")))
case("aufs-name-nested-directory", LOWER, layer(directory(b"d/.wh..wh.foo"), file(b"d/.wh..wh.foo/in"), file(b"new")))
case("whiteout-of-no-name", LOWER, layer(file(b".wh.", b""), file(b"new")))
case("whiteout-of-no-name-nested", LOWER, layer(directory(b"d"), file(b"d/.wh.", b""), file(b"new")))
case("whiteout-of-dot", LOWER, layer(directory(b"d"), file(b"d/.wh..", b""), file(b"new")))
case("whiteout-of-dot-dot", LOWER, layer(directory(b"d"), file(b"d/.wh...", b""), file(b"new")))
case("whiteout-directory-in-the-path", LOWER, layer(file(b".wh.d/in"), file(b"new")))
case("whiteout-by-pax-path", LOWER, layer(pax(path=b".wh.top"), file(b"innocent", b"")))
case("character-device-zero", LOWER, layer(header(b"top", kind=b"3", device=(0, 0), mode=0o600)))
case("character-device-zero-on-directory", LOWER, layer(header(b"d", kind=b"3", device=(0, 0), mode=0o600)))
case("opaque-by-xattr", LOWER, layer(pax_records([(b"SCHILY.xattr.trusted.overlay.opaque", b"y")]), directory(b"d"),
                                     file(b"d/new")))
case("redirect-by-xattr", LOWER, layer(pax_records([(b"SCHILY.xattr.trusted.overlay.redirect", b"/d")]),
                                       directory(b"r")))
case("opaque-by-user-xattr", LOWER, layer(pax_records([(b"SCHILY.xattr.user.overlay.opaque", b"y")]), directory(b"d"),
                                          file(b"d/new")))

# ---- sparse files ------------------------------------------------------------------------------------------------


def old_gnu_sparse(name):
    """Old GNU format: one piece of 5 bytes at 512, real size 1024."""
    tail = bytes(41) + octal(512, 12) + octal(5, 12) + bytes(24 * 3) + b"\0" + octal(1024, 12)
    return header(name, kind=b"S", size=5, magic=b"ustar  \0", tail=tail) + padded(b"piece")


case("sparse-old-gnu", layer(old_gnu_sparse(b"a"), file(b"after")))
case("sparse-pax-0-0", layer(pax_records([(b"GNU.sparse.size", b"1024"), (b"GNU.sparse.numblocks", b"1"),
                                          (b"GNU.sparse.offset", b"512"), (b"GNU.sparse.numbytes", b"5")]),
                             file(b"a", b"piece"), file(b"after")))
case("sparse-pax-0-1", layer(pax_records([(b"GNU.sparse.name", b"real-name"), (b"GNU.sparse.size", b"1024"),
                                          (b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.map", b"512,5")]),
                             file(b"GNUSparseFile.0/a", b"piece"), file(b"after")))
case("sparse-pax-1-0", layer(pax_records([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
                                          (b"GNU.sparse.name", b"real-name"), (b"GNU.sparse.realsize", b"1024")]),
                             file(b"GNUSparseFile.0/a", padded(b"1\n512\n5\n") + b"piece"), file(b"after")))
case("sparse-pax-1-0-bad-map", layer(pax_records([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
                                                  (b"GNU.sparse.name", b"real-name"),
                                                  (b"GNU.sparse.realsize", b"1024")]),
                                     file(b"GNUSparseFile.0/a", padded(b"9\nx\n") + b"piece"), file(b"after")))

# ---- ways through links, and changes of kind ---------------------------------------------------------------------
case("entry-through-same-layer-symlink", layer(directory(b"d"), symlink(b"s", b"d"), file(b"s/in")))
case("entry-through-lower-symlink", layer(directory(b"d"), symlink(b"s", b"d")), layer(file(b"s/in")))
case("directory-entry-over-lower-symlink", layer(directory(b"d"), file(b"d/low"), symlink(b"s", b"d")),
     layer(directory(b"s"), file(b"s/in")))
case("entry-through-absolute-symlink", layer(directory(b"d"), symlink(b"s", b"/d"), file(b"s/in")))
case("entry-through-climbing-symlink", layer(directory(b"d"), symlink(b"s", b"../../d"), file(b"s/in")))
case("entry-through-dangling-symlink", layer(symlink(b"s", b"nothing"), file(b"s/in")))
case("entry-through-lower-dangling-symlink", layer(symlink(b"s", b"nothing")), layer(file(b"s/in")))
case("entry-through-symlink-to-file", layer(file(b"f"), symlink(b"s", b"f"), file(b"s/in")))
case("entry-through-symlink-loop", layer(symlink(b"a", b"b"), symlink(b"b", b"a"), file(b"a/in")))
case("symlink-loop", layer(symlink(b"a", b"b"), symlink(b"b", b"a"), symlink(b"c", b"c"), file(b"f")))
case("entry-through-two-symlinks", layer(directory(b"d"), directory(b"d/e"), symlink(b"s", b"d"), symlink(b"d/t", b"e"),
                                         file(b"s/t/in")))
case("file-over-lower-symlink", layer(file(b"t", b"target\n"), symlink(b"s", b"t")), layer(file(b"s", b"own\n")))
case("parent-is-a-file", layer(file(b"a"), file(b"a/in")))
case("parent-is-a-lower-file", layer(file(b"a")), layer(file(b"a/in")))
case("parent-is-a-lower-file-with-directory", layer(file(b"a")), layer(directory(b"a"), file(b"a/in")))
case("directory-to-file-to-directory", LOWER, layer(file(b"d", b"file now\n")), layer(directory(b"d"), file(b"d/again")))
case("directory-to-symlink-to-directory", LOWER, layer(symlink(b"d", b"top")), layer(directory(b"d"), file(b"d/again")))
case("directory-to-file", LOWER, layer(file(b"d", b"file now\n")))
case("file-to-directory", LOWER, layer(directory(b"top"), file(b"top/in")))
case("directory-again", LOWER, layer(directory(b"d", mode=0o700), file(b"d/new")))
case("symlink-removed-then-entry", layer(directory(b"d"), symlink(b"s", b"d")), layer(file(b".wh.s", b""), file(b"s/in")))
case("parents-not-listed", layer(file(b"a/b/c/d/e")))
case("deep-directories", layer(*[directory(b"x/" * n) for n in range(1, 46)], file(b"x/" * 45 + b"in")))
case("deep-directories-by-pax", layer(pax(path=b"a-directory-of-fifty-bytes-in-a-row-of-sixty-times/" * 60 + b"in"), file(b"in")))

# ---- names -------------------------------------------------------------------------------------------------------
case("name-absolute", layer(file(b"/a"), directory(b"/d"), file(b"/d/in")))
case("name-climbing", layer(file(b"../a")))
case("name-climbing-inside", layer(directory(b"d"), file(b"d/../a")))
case("name-climbing-out-of-a-directory", layer(directory(b"d"), file(b"d/../../a")))
case("name-climbing-absolute", layer(file(b"/../a")))
case("name-whiteout-climbing", LOWER, layer(file(b"d/../.wh.top", b"")))
case("name-dot-slash", layer(directory(b"./"), file(b"./a"), directory(b"./d/"), file(b"./d/in")))
case("name-dot", layer(directory(b"."), file(b"a")))
case("name-slash", layer(directory(b"/"), file(b"a")))
case("name-double-slash", layer(directory(b"d"), file(b"d//in")))
case("name-inner-dot", layer(directory(b"d"), file(b"d/./in")))
case("name-trailing-slash-file", layer(file(b"a/", b"data\n")))
case("name-trailing-slash-old-file", layer(header(b"a/", kind=b"\0", mode=0o755), file(b"a/in")))
case("name-trailing-slash-old-file-with-data", layer(header(b"a/", kind=b"\0", size=5) + padded(b"data\n"), file(b"b")))
case("name-trailing-slash-symlink", layer(symlink(b"a/", b"b")))
case("name-empty", layer(file(b""), file(b"a")))
case("name-empty-directory", layer(directory(b""), file(b"a")))
case("name-root-is-a-file", layer(file(b"./", b"root?\n"), file(b"a")))
case("name-root-is-a-symlink", layer(symlink(b"./", b"x"), file(b"a")))
case("name-backslash", layer(file(b"a\\b"), directory(b"c\\"), file(b"c\\/d")))
case("name-not-utf-8", layer(file(b"caf\xe9"), directory(b"d\xff"), file(b"d\xff/in"), symlink(b"l", b"t\xfe")))
case("name-not-utf-8-by-pax", layer(pax(path=b"caf\xe9"), file(b"a")))
case("name-utf-8", layer(file("\u00e9t\u00e9/\u6f22\u5b57".encode())))
case("name-newline-and-control", layer(file(b"a\nb"), file(b"c\x01d"), file(b"e\x1b[31mf")))
case("name-255-bytes", layer(pax(path=b"n" * 255), file(b"a")))
case("name-256-bytes", layer(pax(path=b"n" * 256), file(b"a")))
case("name-over-4096-bytes", layer(pax(path=b"dir/" * 1100 + b"in"), file(b"a")))
case("name-100-bytes-no-nul", layer(file(b"m" * 100)))
case("name-spaces", layer(file(b" a "), file(b"b c")))
case("link-target-empty", layer(symlink(b"a", b""), file(b"b")))
case("link-target-climbing", layer(symlink(b"a", b"../../../etc/passwd"), symlink(b"b", b"/../../x")))

# ---- kinds -------------------------------------------------------------------------------------------------------
case("kind-nul", layer(header(b"a", kind=b"\0", size=5) + padded(b"data\n")))
case("kind-contiguous", layer(header(b"a", kind=b"7", size=5) + padded(b"data\n"), file(b"b")))
case("kind-unknown-letter", layer(header(b"a", kind=b"Z", size=5) + padded(b"data\n"), file(b"b")))
case("kind-unknown-digit", layer(header(b"a", kind=b"8", size=5) + padded(b"data\n"), file(b"b")))
case("kind-volume-label", layer(header(b"a", kind=b"V", magic=b"ustar  \0"), file(b"b")))
case("kind-multi-volume", layer(header(b"a", kind=b"M", size=5, magic=b"ustar  \0") + padded(b"data\n"), file(b"b")))
case("kind-dump-directory", layer(header(b"a", kind=b"D", size=5, magic=b"ustar  \0") + padded(b"Yb\0\0\0"), file(b"b")))
case("kind-solaris-extended", layer(header(b"X", kind=b"X", size=13) + padded(b"13 path=solar"), file(b"b")))
case("kind-device-and-pipe", layer(header(b"c", kind=b"3", device=(1, 3)), header(b"b", kind=b"4", device=(7, 0)),
                                   header(b"p", kind=b"6")))
case("kind-device-with-size", layer(header(b"c", kind=b"3", device=(1, 3), size=5), file(b"b")))


def digest(data):
    return hashlib.sha256(data).hexdigest()


def write_archive(path, stored, config):
    """The old layout of `docker save`: no blobs, a manifest.json with paths."""
    def add(tar, name, data):
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o644
        tar.addfile(info, io.BytesIO(data))
    name = os.path.basename(path)[:-len(".tar")]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        paths = [f"{index}/layer.tar" for index in range(len(stored))]
        for layer_path, data in zip(paths, stored):
            add(tar, layer_path, data)
        add(tar, f"{digest(config)}.json", config)
        manifest = [{"Config": f"{digest(config)}.json", "RepoTags": [f"stella-odd/{name}:1"], "Layers": paths}]
        add(tar, "manifest.json", json.dumps(manifest).encode())


def write_layout(path, stored, config):
    blobs = os.path.join(path, "blobs", "sha256")
    os.makedirs(blobs, exist_ok=True)

    def put(data, media_type):
        with open(os.path.join(blobs, digest(data)), "wb") as out:
            out.write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest(data), "size": len(data)}
    oci = "application/vnd.oci.image."
    layers = [put(data, oci + ("layer.v1.tar+gzip" if data[:2] == b"\x1f\x8b" else "layer.v1.tar")) for data in stored]
    manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
                "config": put(config, oci + "config.v1+json"), "layers": layers}
    index = {"schemaVersion": 2, "manifests": [put(json.dumps(manifest).encode(), oci + "manifest.v1+json")]}
    for name, value in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(path, name), "w", encoding="utf-8") as out:
            json.dump(value, out)


def main(out):
    os.makedirs(out, exist_ok=True)
    for name, layers in CASES.items():
        # A layer is its tar, or a pair: the stored bytes and the tar that they should come to.
        stored = [one[0] if isinstance(one, tuple) else one for one in layers]
        plain = [one[1] if isinstance(one, tuple) else one for one in layers]
        config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/none"]},
                  "created": "1970-01-01T00:00:00Z",
                  "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(one) for one in plain]},
                  "history": [{"created": "1970-01-01T00:00:00Z", "created_by": f"odd {name} {index}"}
                              for index in range(len(layers))]}
        config = json.dumps(config, sort_keys=True).encode()
        write_archive(os.path.join(out, name + ".tar"), stored, config)
        write_layout(os.path.join(out, name), stored, config)
    with open(os.path.join(out, "cases"), "w", encoding="utf-8") as listing:
        listing.write("".join(name + "\n" for name in CASES))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
