#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: extract-vmlinux.py BZIMAGE VMLINUX

Takes the ELF kernel out of a bzImage, so that QEMU enters it directly (PVH) and emulation does not
have to decompress it.
"""
import struct
import subprocess
import sys

TOOLS = {b"\x1f\x8b": "gzip -dc", b"\xfd7zXZ": "xz -dc", b"\x28\xb5\x2f\xfd": "zstd -dc",
         b"\x02\x21\x4c\x18": "lz4 -dc", b"\x5d\x00\x00": "lzma -dc"}


def main():
    if len(sys.argv) != 3 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__.strip())
    data = open(sys.argv[1], "rb").read()
    if data[0x202:0x206] == b"" or data[0x1FE:0x200] != b"\x55\xaa":
        sys.exit(f"extract-vmlinux: {sys.argv[1]} is not a bzImage")
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (data[0x1F1] + 1) * 512 + offset
    payload = data[start:start + length - 4]        # the last 4 bytes are the unpacked size
    for magic, tool in TOOLS.items():
        if payload.startswith(magic):
            out = subprocess.run(tool.split(), input=payload, stdout=subprocess.PIPE, check=False).stdout
            if not out.startswith(b"\x7fELF"):
                sys.exit(f"extract-vmlinux: {tool} did not give an ELF file")
            open(sys.argv[2], "wb").write(out)
            return
    sys.exit(f"extract-vmlinux: unknown compression, first bytes {payload[:8].hex()}")


main()
