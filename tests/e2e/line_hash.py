"""What GitHub's code scanning knows a line by, worked out from its description alone, without a rolling window.

A line's window is the hundred UTF-16 units from its first on, blanks and tabs left out, each line's end one line feed; behind
the file's end stand 65535 and zeros. The hash of a window is a number of base 37 modulo 2^64, in hexadecimal, with the
occurrence of this hash in the file behind it."""
import collections
import struct

SIZE, BASE, END, LINE_FEED = 100, 37, 65535, 10


def windows(text):
    """The window of each line, in order."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace(" ", "").replace("\t", "")
    data = text.encode("utf-16-le")
    units = struct.unpack(f"<{len(data) // 2}H", data)
    starts = [0] + [index + 1 for index, unit in enumerate(units) if unit == LINE_FEED]
    units = (*units, END, *[0] * SIZE)
    return [units[start:start + SIZE] for start in starts]


def line_hashes(text):
    """The hash of each line, in order."""
    seen, hashes = collections.Counter(), []
    for window in windows(text):
        number = sum(unit * BASE ** (SIZE - 1 - index) for index, unit in enumerate(window)) % 2 ** 64
        seen[number] += 1
        hashes.append(f"{number:x}:{seen[number]}")
    return hashes
