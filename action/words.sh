# What both scripts say and ask; sourced, for bash 3.2 (macOS) and later.
# shellcheck shell=bash

# One line of the log that the runner shows as an annotation. Whatever stands in the words, it stays one command. To stderr,
# which the runner reads too: what stdout says may be a value.
annotate() { # KIND WORDS
    local words=$2
    words=${words//'%'/%25}
    words=${words//$'\r'/%0D}
    words=${words//$'\n'/%0A}
    printf '::%s title=Stella::%s\n' "$1" "$words" >&2
}

# Exit codes are the program's: 2 where the step is written wrong, 3 where it could not be done.
fail() { # CODE WORDS
    annotate error "$2"
    exit "$1"
}

# Whether an input says so. Anything but the two words is refused: a typing error must not switch something off.
truth() { # INPUT VALUE
    case $2 in
        true) return 0 ;;
        false) return 1 ;;
        *) fail 2 "input $1 is '$2': write 'true' or 'false'" ;;
    esac
}

# An output of the step. A value of more than one line could make outputs of its own.
output() { # NAME VALUE
    case $2 in
        *$'\n'* | *$'\r'*) fail 2 "output $1 would have more than one line: is there a line break in a path?" ;;
    esac
    printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"
}
