"""Reads every part of a workbook to its end, compares its checksum, and prints its name and size in bytes.

Usage: whole_parts.py WORKBOOK

Ends with 1 if a part is damaged.
"""

import sys
import zipfile

with zipfile.ZipFile(sys.argv[1]) as workbook:
    if damaged := workbook.testzip():
        sys.exit(f"{damaged} is damaged")
    for part in workbook.infolist():
        print(part.filename, part.file_size)
