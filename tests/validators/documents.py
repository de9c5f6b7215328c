"""What the standards' own validators say of SBOMs."""
import subprocess

import fetched

# Each prints what is wrong, and nothing where nothing is.
CYCLONEDX = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
with open(sys.argv[1], encoding="utf-8") as text:
    wrong = JsonStrictValidator(SchemaVersion.from_version(sys.argv[2])).validate_str(text.read())
print(wrong or "", end="")
"""
SPDX = """
import sys
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
for wrong in validate_full_spdx_document(parse_file(sys.argv[1])):
    print(wrong.validation_message, wrong.context.spdx_id)
"""
# By format of `stella sbom`.
PROGRAMS = {"cyclonedx": (CYCLONEDX, "1.6"), "cyclonedx-1.5": (CYCLONEDX, "1.5"), "spdx": (SPDX, "2.3")}


def wrong(path, form):
    """What is wrong with an SBOM; nothing where it is valid."""
    program, version = PROGRAMS[form]
    done = subprocess.run([fetched.python(), "-c", program, path, version], capture_output=True, text=True, check=False)
    return done.stdout or (done.stderr[-2000:] if done.returncode else "")
