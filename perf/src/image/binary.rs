//! Bytes that are shaped, and compress, like programs, compiled modules and other files that are not text.

use std::sync::LazyLock;

use super::text::{self, Style};
use crate::random::Random;

const ELF_HEADER_BYTES: usize = 64;
const SECTION_HEADER_BYTES: usize = 64;
const SECTION_NAMES: &[u8] = b"\0.text\0.shstrtab\0";
/// What an ELF file takes beside its code: its header, three section headers and their names.
const ELF_FRAME_BYTES: usize = ELF_HEADER_BYTES + 3 * SECTION_HEADER_BYTES + SECTION_NAMES.len();
const INSTRUCTIONS: usize = 3000;

/// Instructions that programs repeat: 2 to 7 bytes each.
static CODE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    const OPCODES: &[u8] = b"\x48\x89\x8b\x0f\xe8\x83\xc7\x85\x74\x75\x4c\x44\x31\x66\x8d\x41\xf3\xeb";
    let mut random = Random::of("instructions");
    (0..INSTRUCTIONS)
        .map(|_| {
            let mut code = vec![*random.pick(OPCODES), *random.pick(OPCODES)];
            let more = random.below(6);
            random.fill(&mut code, more);
            code
        })
        .collect()
});

/// An ELF file for x86-64 of `size` bytes (at least 512): a valid header, one section of what looks like code.
pub fn elf(random: &mut Random, size: usize) -> Vec<u8> {
    let size = size.max(512);
    let code_end = ELF_HEADER_BYTES + size - ELF_FRAME_BYTES;
    let sections = code_end + SECTION_NAMES.len();
    let mut out = Vec::with_capacity(size);
    // Class, byte order and version; then type (shared object), machine, version.
    out.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0");
    for address in [ELF_HEADER_BYTES, 0, sections] {
        out.extend_from_slice(&(address as u64).to_le_bytes());
    }
    // Flags; sizes and numbers of headers: this one, segments (none), sections; which section names the others.
    out.extend_from_slice(b"\0\0\0\0\x40\0\x38\0\0\0\x40\0\x03\0\x02\0");
    while out.len() < code_end {
        let wanted = (code_end - out.len()).min(4096 + random.below(60_000));
        let end = out.len() + wanted;
        match random.below(20) {
            0..14 => code(&mut out, random, end),
            14..17 => out.extend_from_slice(&text::write(random, STRINGS, wanted)),
            17 | 18 => table(&mut out, random, end),
            _ => out.resize(end, 0),
        }
        out.truncate(end);
    }
    out.extend_from_slice(SECTION_NAMES);
    out.extend_from_slice(&[0; SECTION_HEADER_BYTES]);
    // Name, type and flags; offset and size; alignment.
    for (kind, flags, offset, length) in [
        ((1, 1), 6, ELF_HEADER_BYTES, code_end - ELF_HEADER_BYTES),
        ((7, 3), 0, code_end, SECTION_NAMES.len()),
    ] {
        let (name, kind): (u32, u32) = kind;
        out.extend_from_slice(&name.to_le_bytes());
        out.extend_from_slice(&kind.to_le_bytes());
        for value in [flags, offset as u64, offset as u64, length as u64, 0, 1, 0] {
            out.extend_from_slice(&u64::to_le_bytes(value));
        }
    }
    out
}

const STRINGS: Style =
    &["@_@\0@_@\0_@_@\0", "$: %s\0", "/usr/lib/@/@.so\0@", "_ZN#@#@E\0_ZN#@#@E\0", "%s: $\0"];

fn code(out: &mut Vec<u8>, random: &mut Random, end: usize) {
    let instructions = &*CODE;
    // A function keeps to a few instructions; relative addresses are what is new in each.
    while out.len() < end {
        let most = 150 + random.below(INSTRUCTIONS - 150);
        for _ in 0..20 + random.below(100) {
            out.extend_from_slice(&instructions[random.skewed(most)]);
            match random.below(8) {
                0 => {
                    random.fill(out, 2);
                    out.extend_from_slice(b"\xff\xff");
                }
                1 => {
                    random.fill(out, 1);
                    out.extend_from_slice(b"\0\0\0");
                }
                2 => random.fill(out, 1),
                _ => {}
            }
        }
        out.resize(out.len().next_multiple_of(16), 0x90);
        for _ in 0..5 {
            random.echo(out, 2);
        }
    }
}

/// Relocations: addresses that grow, and small numbers.
fn table(out: &mut Vec<u8>, random: &mut Random, end: usize) {
    let mut address = 0x10_0000 + random.below(0x100_0000) as u64;
    while out.len() < end {
        address += 8 << random.below(3);
        out.extend_from_slice(&address.to_le_bytes());
        out.extend_from_slice(&8_u64.to_le_bytes());
        out.extend_from_slice(&(address.wrapping_mul(5) & 0x00ff_fff0).to_le_bytes());
    }
}

/// A compiled module of Python 3.12, of about `size` bytes.
pub fn pyc(random: &mut Random, size: usize) -> Vec<u8> {
    const OPCODES: &[u8] = b"\x97\x64\x7c\x5a\x65\xab\x01\x53\x6a\x72\x79\x83\x84\x47\x6e\x7d";
    // Magic number, flags, and the source's time and size.
    let mut out = b"\xcb\x0d\x0d\x0a\0\0\0\0\0\x00\x54\x65".to_vec();
    random.fill(&mut out, 2);
    out.extend_from_slice(b"\0\0\xe3");
    while out.len() < size {
        for _ in 0..20 + random.below(80) {
            out.extend_from_slice(&[*random.pick(OPCODES), random.skewed(40).to_le_bytes()[0]]);
            if random.below(3) == 0 {
                out.extend_from_slice(b"\0\0\0\0");
            }
        }
        for _ in 0..2 + random.below(8) {
            let name = text::name(random);
            out.extend_from_slice(&[0xda, name.len().to_le_bytes()[0]]);
            out.extend_from_slice(name.as_bytes());
        }
        let phrase = text::phrase(random);
        out.push(0xfa);
        out.extend_from_slice(phrase.as_bytes());
        random.fill(&mut out, 2);
        for _ in 0..3 {
            random.echo(&mut out, 2);
        }
    }
    out.truncate(size.max(16));
    out
}

/// A compiled message catalogue (GNU gettext) of about `size` bytes.
pub fn catalogue(random: &mut Random, size: usize) -> Vec<u8> {
    let entries = size / 80;
    let mut out = b"\xde\x12\x04\x95\0\0\0\0".to_vec();
    for number in 0..entries * 4 {
        out.extend_from_slice(&(28 + number * 37 + random.below(30)).to_le_bytes()[..4]);
    }
    let rest = size.saturating_sub(out.len());
    out.extend_from_slice(&text::write(random, &["$\0$\0", "@ @\0%(@)s $\0"], rest));
    out
}

/// Time zone information (RFC 9636) of about `size` bytes.
pub fn zone(random: &mut Random, size: usize) -> Vec<u8> {
    let mut out = b"TZif2".to_vec();
    out.resize(44, 0);
    let mut time = 0x8000_0000_u32;
    while out.len() < size * 4 / 5 {
        time = time.wrapping_add(0x00ee_e000 + 0x0001_2000 * u32::from(random.next().to_le_bytes()[0] % 8));
        out.extend_from_slice(&time.to_be_bytes());
        random.echo(&mut out, 60);
    }
    while out.len() < size {
        out.push(random.below(6).to_le_bytes()[0]);
    }
    out
}

/// A picture: bytes that do not compress.
pub fn picture(random: &mut Random, size: usize) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    random.fill(&mut out, size.saturating_sub(8));
    out
}
