//! Advisory prose in invented words: as long as real advisories, and about as compressible.

use std::sync::LazyLock;

use crate::random::Random;

const ONSETS: [&str; 20] =
    ["b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pr", "ch", "gr", "w", "k"];
const RIMES: [&str; 18] = [
    "a", "e", "i", "o", "er", "en", "in", "at", "or", "al", "is", "on", "ar", "it", "es", "ul", "ion", "ent",
];
/// The words that hold any text together.
const COMMON: &str =
    "the of a in to and is that via before for an could allow when with by this from on it not as or be";
const VOCABULARY: usize = 5000;
/// About how long a sentence is.
const SENTENCE_BYTES: usize = 100;

static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut random = Random::of("vocabulary");
    let mut words: Vec<String> = COMMON.split(' ').map(str::to_owned).collect();
    while words.len() < VOCABULARY {
        let syllables = 1 + random.below(3);
        words.push((0..syllables).map(|_| [*random.pick(&ONSETS), *random.pick(&RIMES)].concat()).collect());
    }
    words
});

/// A word that names something.
pub fn name(random: &mut Random) -> &'static str {
    random.pick::<String>(&WORDS[40..])
}

/// A word of running text.
fn word(random: &mut Random) -> &'static str {
    let most = if random.chance(400) { 30 } else { VOCABULARY };
    &WORDS[random.skewed(most)]
}

fn sentence(out: &mut String, random: &mut Random) {
    let start = out.len();
    for index in 0..8 + random.below(16) {
        if index > 0 {
            out.push_str(if random.chance(60) { ", " } else { " " });
        }
        match random.below(40) {
            0 => out.push_str(&format!("`{}_{}`", name(random), name(random))),
            1 => out.push_str(&version(random)),
            _ => out.push_str(word(random)),
        }
    }
    if let Some(first) = out.get_mut(start..=start) {
        first.make_ascii_uppercase();
    }
    out.push('.');
}

/// `a.b.c`.
pub fn version(random: &mut Random) -> String {
    format!("{}.{}.{}", random.below(20), random.below(30), random.below(40))
}

/// Sentences of about `size` bytes together.
pub fn details(random: &mut Random, size: usize) -> String {
    let mut out = String::with_capacity(size + SENTENCE_BYTES);
    sentence(&mut out, random);
    while out.len() + SENTENCE_BYTES / 2 < size {
        out.push_str(if random.chance(80) { "\n\n" } else { " " });
        sentence(&mut out, random);
    }
    out
}

/// The same under headings, as GitHub's reporters write it.
pub fn markdown(random: &mut Random, size: usize) -> String {
    let mut out = String::with_capacity(size + SENTENCE_BYTES);
    for (index, heading) in ["Impact", "Patches", "Workarounds", "References"].into_iter().enumerate() {
        if index > 0 {
            out.push_str("\n\n");
        }
        out.push_str(&format!("### {heading}\n{}", details(random, (size / 2) >> index)));
        if out.len() >= size {
            break;
        }
    }
    out
}

/// A headline of about `size` bytes.
pub fn summary(random: &mut Random, size: usize) -> String {
    let mut out = name(random).to_owned();
    out[..1].make_ascii_uppercase();
    while out.len() < size {
        out.push(' ');
        out.push_str(word(random));
    }
    out
}

/// The same text in Cyrillic letters, one for one: as long as Russian is, in two bytes a letter.
pub fn cyrillic(text: &str) -> String {
    text.chars()
        .map(|letter| {
            let lower = match letter.to_ascii_lowercase() {
                'a' => 'а',
                'b' => 'б',
                'c' => 'ц',
                'd' => 'д',
                'e' => 'е',
                'f' => 'ф',
                'g' => 'г',
                'h' => 'х',
                'i' => 'и',
                'k' => 'к',
                'l' => 'л',
                'm' => 'м',
                'n' => 'н',
                'o' => 'о',
                'p' => 'п',
                'r' => 'р',
                's' => 'с',
                't' => 'т',
                'u' => 'у',
                'v' => 'в',
                'w' => 'ш',
                'y' => 'ы',
                other => other,
            };
            if letter.is_ascii_uppercase() { lower.to_uppercase().next().unwrap_or(lower) } else { lower }
        })
        .collect()
}

/// A link into a domain that is nobody's.
pub fn url(random: &mut Random, of: &str) -> String {
    let place = *random.pick(&[
        "git.example.org/{}/commit",
        "lists.example.net/{}/message",
        "bugs.example.com/{}/show_bug",
        "code.example.org/{}/security/advisories",
        "www.example.com/{}/releases",
    ]);
    let place = place.replace("{}", of);
    if random.chance(400) {
        format!("https://{place}/{}", random.hex(40))
    } else {
        format!("https://{place}/{}-{}/{}", name(random), name(random), 1000 + random.below(60_000))
    }
}
