#!/usr/bin/env bash
# Gates the image and makes the step's outputs, whatever the gate came to. Its settings are variables, which the program
# reads itself: of all inputs only `output` becomes words of the command.
set -euo pipefail
# shellcheck source=action/words.sh
. "${BASH_SOURCE[0]%/*}/words.sh"

# Windows: one kind of slash, which its programs take too.
reports=$(mktemp -d "${RUNNER_TEMP//\\//}/stella.XXXXXX")
truth report-only "$INPUT_REPORT_ONLY" && spared=1 || spared=none
files=(sarif=stella.sarif junit=stella.xml json=stella.json markdown=stella.md)
truth sbom "$INPUT_SBOM" && files+=(sbom=stella.cdx.json)

arguments=(-o table -o "dotenv=$reports/outputs")
for file in "${files[@]}"; do
    format=${file%%=*}
    arguments+=(-o "${format/#sbom/cyclonedx}=$reports/${file#*=}")
done
truth annotations "$INPUT_ANNOTATIONS" && arguments+=(-o github)
# The program appends to this file: what earlier steps wrote stays.
truth summary "$INPUT_SUMMARY" && arguments+=(-o "markdown=$GITHUB_STEP_SUMMARY")
# Flags would hide the variable.
IFS=$',\n' read -r -d '' -a more <<<"${STELLA_OUTPUT:-}" || true
for report in ${more[@]+"${more[@]}"}; do
    # A line or a comma parts two; the blanks around are nobody's.
    report=${report#"${report%%[![:blank:]]*}"}
    report=${report%"${report##*[![:blank:]]}"}
    # Of those two there is one already, or none is wanted.
    case $report in '' | table | github) ;; *) arguments+=("--output=$report") ;; esac
done

if [ -n "$INPUT_WORKING_DIRECTORY" ]; then
    CDPATH='' cd -- "$INPUT_WORKING_DIRECTORY" || fail 2 "working-directory $INPUT_WORKING_DIRECTORY: see above"
fi
code=0
"$PROGRAM" gate "${arguments[@]}" || code=$?

if [ -f "$reports/outputs" ]; then
    # Only lines of the form that the program writes: names of capitals, words and numbers.
    sed -n 's/^STELLA_\([A-Z_]*=[a-z0-9.]*\)$/\1/p' "$reports/outputs" | tr '[:upper:]_' '[:lower:]-' >>"$GITHUB_OUTPUT"
else
    output verdict unfinished
    if [ "$code" -lt 2 ]; then
        annotate error "$PROGRAM ended with $code and wrote no report: it is not stella, or of another version"
        code=3
    fi
fi
output exit-code "$code"
for file in "${files[@]}"; do
    # What the program did not come to write is no output: an upload of it would only fail.
    [ ! -f "$reports/${file#*=}" ] || output "${file%%=*}" "$reports/${file#*=}"
done

if [ "$code" = "$spared" ]; then
    annotate notice 'the gate failed; the job goes on, because report-only is set'
    code=0
fi
exit "$code"
