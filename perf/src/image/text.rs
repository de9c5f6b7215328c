//! Text that reads and compresses like what it stands for: lines of a style, filled with words and numbers.

use std::sync::LazyLock;

use crate::random::Random;

/// The lines that a kind of text is made of: `@` stands for a word, `#` for a number, `$` for a phrase.
pub type Style = &'static [&'static str];

/// Python.
pub const PYTHON: Style = &[
    "",
    "",
    "    def @_@(self, @, @=None):\n        \"\"\"$.\"\"\"",
    "        if @ is None:\n            @ = self._@",
    "        return self._@_@(@)",
    "        for @ in @.@():",
    "            raise ValueError(\"$: %r\" % @)",
    "            @ = @.get('@', #)",
    "        # $",
    "        self.@ = @",
    "        self.@_@ = @ or @_@",
    "    \"\"\"\n    $.\n    $\n    \"\"\"",
    "import @",
    "from .@ import @, @_@",
    "class @@(@.@):",
    "        @ = [@ for @ in @ if @ != '@']",
    "        assert @(@) == #, @",
    "        try:\n            @ = @(@[#], @=@)\n        except @Error as error:",
    "    @property",
    "        @.@(@, '@-@', @=True)",
    "        with @.@(@, \"@\") as @:",
    "        elif isinstance(@, @):\n            continue",
    "        while @ < len(@):\n            @ += #",
    "    '@': ('@', #),",
    "        :param @: $",
];

/// JavaScript.
pub const JAVASCRIPT: Style = &[
    "",
    "  // $",
    "function @@(@, @) {",
    "  var @ = require('@');",
    "  if (!@) return @;\n",
    "  const { @, @ } = @.@;",
    "  return @.@(function (@) { return @.@ === '@'; });",
    "exports.@ = @;",
    "  for (let i = #; i < @.length; i++) {\n    @[i] = @.@(i);\n  }",
    "/**\n * $.\n *\n * @param {@} @\n * @return {@}\n */",
    "  } else if (typeof @ === '@') {",
    "    throw new @Error('$: ' + @);",
    "  @.prototype.@ = function @(@, @) {",
    "    this.@ = @ || #;",
    "  }\n}\n",
    "  Object.defineProperty(exports, '@', { enumerable: true, get: () => @.@ });",
    "module.exports = { @: @, @: @ };",
    "    case '@':\n      return @(@, #);",
    "  @.push(@);",
    "  let @ = @ ? @.@() : null;",
    "@:function(@,@,@){return @(@.@,#)&&@.@(@)},@:#,@:[#,#,#],",
    "var @=@(#),@=@(#),@=#;@.@=@.@[\"@\"]||@;",
];

/// Type declarations.
pub const TYPESCRIPT: Style = &[
    "export interface @@ {\n    @: @;",
    "    readonly @?: @ | undefined;",
    "export declare function @(@: string, @?: @@): @;",
    "    /** $. */",
    "import { @ } from './@';",
    "    @(@: @, ...@: any[]): void;\n}",
    "export type @@ = '@' | '@';",
];

/// A source map: long lines of base 64.
pub const SOURCE_MAP: Style = &[
    "AAA#,SAAS,@CAAC,#CAAC;I#CR,@,EAAE,#CAAC",
    "\"@\",\"@\",\"../src/@/@.ts\",",
    "EAAE,@,GAAG,#;AAAA,MAAM,@QAAQ",
];

/// Markdown.
pub const MARKDOWN: Style = &[
    "",
    "## @ @\n",
    "$. $.",
    "* `@` - $",
    "```js\nvar @ = require('@');\n@.@('@');\n```",
    "[@](https://example.org/@/@): $.",
    "#.#.# / 20#\n",
];

/// Plain prose: licences, change logs.
pub const PROSE: Style = &["$, $.", "$.", "  * $;", "", "  - $ (#)", "$ $, $."];

/// Shell scripts and settings.
pub const SHELL: Style = &[
    "# $",
    "@_@=\"@\"",
    "if [ -e /etc/@/@.conf ]; then\n    @ --@ \"$@\"\nfi",
    "@ = @",
    "[@]",
    "    set -- @ @",
    "/usr/lib/@/@ {\n    @ #\n}",
    "@:@:#:#",
    "    $",
];

/// Perl.
pub const PERL: Style = &[
    "sub @_@ {\n    my ($@, %@) = @_;",
    "    return unless defined $@->{@};",
    "# $",
    "    $@ =~ s/@/@/g;",
    "}",
    "use @::@ qw(@ @);",
    "0x#, 0x#, 'Is@', 'In@',",
    "#\t#\t@",
];

/// C headers.
pub const HEADER: Style = &[
    "#define @_@ #",
    "/* $. */",
    "extern int @_@(const @_t *@, size_t @);",
    "typedef struct @_@ {\n    uint32_t @;",
    "} @_t;\n",
    "#ifdef @_@\n#include <@/@.h>\n#endif",
    "static inline @_t *@_@(void *@) { return ((@_t *)@)->@; }",
];

/// Message catalogues.
pub const CATALOGUE: Style = &[
    "#: @/@.py:#\nmsgid \"$\"\nmsgstr \"$\"\n",
    "msgid \"@ @\"\nmsgstr \"@ $\"\n",
    "#, python-format\nmsgid \"%(@)s $\"\nmsgstr \"\"\n",
];

/// Data of one line each.
pub const DATA: Style =
    &["#,#,@,#.#", "\"@\": [#, #, \"@\"],", "{\"@\": \"$\", \"@\": #},", "@,@,#", "#.# #.# #.#"];

/// Symbols of a library, as dpkg keeps them.
pub const SYMBOLS: Style =
    &[" @_@@@@_#.# #.#.#", " _ZN#@#@E@Base #.#", " (c++)\"@::@(@*, @)@Base\" #", "lib@.so.# lib@ (>= #.#)"];

const COMMON: &str = "self value name the of to and a in is for that type be with not data this as or if return key path index \
    item result error file list node string object args options default size text config request response user \
    context source target length set from parse field line message start end test state format input output count code \
    time date model handler module cache buffer token stream state query header body event callback render element \
    instance version number server client connection database method attribute class function used may can must when \
    which are it on by an all any other only each new first last same such more than should will has been its one two";
const ONSETS: [&str; 20] =
    ["b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pr", "ch", "gr", "w", "k"];
const RIMES: [&str; 18] = [
    "a", "e", "i", "o", "er", "en", "in", "at", "or", "al", "is", "on", "ar", "it", "es", "ul", "ion", "ent",
];
const VOCABULARY: usize = 6000;

static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut random = Random::of("vocabulary");
    let mut words: Vec<String> = COMMON.split_whitespace().map(str::to_owned).collect();
    while words.len() < VOCABULARY {
        let syllables = 2 + random.below(3);
        words.push((0..syllables).map(|_| [*random.pick(&ONSETS), *random.pick(&RIMES)].concat()).collect());
    }
    words
});

/// A word that is no common one, such as for a name.
pub fn name(random: &mut Random) -> &'static str {
    random.pick::<String>(&WORDS[200..])
}

/// A few words in a row.
pub fn phrase(random: &mut Random) -> String {
    let mut out = Vec::new();
    let words = &*WORDS;
    push_phrase(&mut out, random, words);
    String::from_utf8_lossy(&out).into_owned()
}

/// `size` bytes of lines of `style`; the last ends where the size says.
pub fn write(random: &mut Random, style: Style, size: usize) -> Vec<u8> {
    let words = &*WORDS;
    // A text keeps coming back to a few words of its own.
    let own: Vec<&String> =
        (0..(12 + size / 160).min(400)).map(|_| &words[random.skewed(VOCABULARY)]).collect();
    let mut out = Vec::with_capacity(size + 256);
    while out.len() < size {
        for byte in random.pick(style).bytes() {
            match byte {
                b'@' if random.below(8) < 6 => {
                    out.extend_from_slice(own[random.skewed(own.len())].as_bytes())
                }
                b'@' => out.extend_from_slice(words[random.skewed(VOCABULARY)].as_bytes()),
                b'#' => push_number(&mut out, random),
                b'$' => push_phrase(&mut out, random, words),
                byte => out.push(byte),
            }
        }
        out.push(b'\n');
        random.echo(&mut out, 4);
    }
    out.truncate(size);
    if let Some(last) = out.last_mut() {
        *last = b'\n';
    }
    out
}

fn push_phrase(out: &mut Vec<u8>, random: &mut Random, words: &[String]) {
    for index in 0..4 + random.below(9) {
        if index > 0 {
            out.push(b' ');
        }
        let most = if random.below(2) == 0 { 150 } else { words.len() };
        out.extend_from_slice(words[random.skewed(most)].as_bytes());
    }
}

fn push_number(out: &mut Vec<u8>, random: &mut Random) {
    let most = *random.pick(&[10, 10, 100, 1000, 100_000]);
    out.extend_from_slice(random.below(most).to_string().as_bytes());
}
