//! Seeded damage to files: what a seed does to a file is the same on every day.
//!
//! Most of it is aimed: at what a reader believes (headers, tables, sizes and offsets), not at bytes it only copies.

use std::ops::Range;

use goblin::elf::Elf;
use goblin::elf::section_header as sh;

/// xorshift64*
pub struct Random(u64);

impl Random {
    /// The sequence of a seed and a number: neighbours have nothing in common.
    pub fn new(seed: u64, number: u64) -> Self {
        let mixed = seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(number)
            .wrapping_mul(0xd6e8_feb8_6659_fd93);
        let mut random = Self((mixed ^ (mixed >> 32)).max(1));
        random.draw();
        random
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.draw() >> 16) % bound as u64) as usize
    }

    /// One of some.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// A file and what is worth damaging in it.
pub struct Sound {
    bytes: Vec<u8>,
    /// Ranges of what readers believe; every one is aimed at as often as every other.
    aims: Vec<Range<usize>>,
    /// Words that mean something in it, if it is a text.
    words: &'static [&'static str],
}

impl Sound {
    /// An ELF file or an archive of such.
    pub fn binary(bytes: Vec<u8>) -> Self {
        let aims = if bytes.starts_with(b"!<arch>\n") || bytes.starts_with(b"!<thin>\n") {
            aims_of_archive(&bytes)
        } else {
            aims_of_elf(&bytes)
        };
        Self {
            bytes,
            aims,
            words: &[],
        }
    }

    /// A text in which these words mean something.
    pub fn text(bytes: Vec<u8>, words: &'static [&'static str]) -> Self {
        Self {
            bytes,
            aims: Vec::new(),
            words,
        }
    }

    /// The file as it is.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A damaged copy: bits, bytes, absurd integers, zeroed and copied ranges, truncation.
    pub fn damaged(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for _ in 0..1 + random.below(3) {
            self.damage(&mut bytes, random);
        }
        bytes
    }

    fn damage(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        if bytes.is_empty() {
            return;
        }
        if !self.words.is_empty() && random.below(2) == 0 {
            let at = random.below(bytes.len());
            let end = at + random.below(8).min(bytes.len() - at);
            bytes.splice(at..end, random.one_of(self.words).bytes());
            return;
        }
        let len = bytes.len();
        let at = self.aim(len, random);
        let count = (1 + random.below(32)).min(len - at);
        match random.below(16) {
            0..=2 => bytes[at] ^= 1 << random.below(8),
            3..=4 => bytes[at] = random.draw() as u8,
            5 => bytes[at..at + count].fill(0),
            6 => {
                let from = self.aim(len, random);
                let count = count.min(len - from);
                bytes.copy_within(from..from + count, at);
            }
            7 if random.below(4) == 0 => bytes.truncate(at),
            8 => bytes[at] = *random.one_of(b"0 9-/`\n\xff"),
            _ => put_absurd(bytes, at, random),
        }
    }

    /// Somewhere in the file, three times of four where a reader looks for meaning.
    fn aim(&self, len: usize, random: &mut Random) -> usize {
        let within: Vec<_> = self.aims.iter().filter(|aim| aim.start < len).collect();
        if within.is_empty() || random.below(4) == 0 {
            return random.below(len);
        }
        let aim = *random.one_of(&within);
        aim.start + random.below(aim.end.min(len) - aim.start)
    }
}

/// Overwrites the integer at an offset by one that is hardly ever right.
fn put_absurd(bytes: &mut [u8], at: usize, random: &mut Random) {
    let width = *random.one_of(&[1, 2, 4, 4, 8, 8, 8]);
    let at = at / width * width;
    let end = (at + width).min(bytes.len());
    let mut old = [0; 8];
    old[..end - at].copy_from_slice(&bytes[at..end]);
    let (old, size) = (u64::from_le_bytes(old), bytes.len() as u64);
    let new = *random.one_of(&[
        0,
        1,
        u64::MAX,
        u64::MAX - 7,
        1 << 31,
        1 << 32,
        1 << 63,
        i64::MAX as u64,
        size,
        size - 1,
        size + 1,
        old.wrapping_add(1),
        old.wrapping_sub(1),
        old.wrapping_add(8),
        old.wrapping_mul(2),
        old.wrapping_neg(),
    ]);
    bytes[at..end].copy_from_slice(&new.to_le_bytes()[..end - at]);
}

/// Headers, and the sections that are tables.
fn aims_of_elf(bytes: &[u8]) -> Vec<Range<usize>> {
    let Ok(elf) = Elf::parse(bytes) else {
        return Vec::new();
    };
    let range = |at: u64, len: u64| at as usize..(at as usize + len as usize).min(bytes.len());
    let header = &elf.header;
    let table = |at, count: u16, size: u16| range(at, u64::from(count) * u64::from(size));
    let headers = [
        0..64,
        table(header.e_shoff, header.e_shnum, header.e_shentsize),
        // Section headers are what most depends on: they count twice.
        table(header.e_shoff, header.e_shnum, header.e_shentsize),
        table(header.e_phoff, header.e_phnum, header.e_phentsize),
    ];
    let believed = elf.section_headers.iter().filter_map(|section| {
        let name = elf.shdr_strtab.get_at(section.sh_name).unwrap_or_default();
        let compressed = section.sh_flags & u64::from(sh::SHF_COMPRESSED) != 0;
        let len = match section.sh_type {
            sh::SHT_NOBITS => return None,
            _ if compressed => 24,
            sh::SHT_PROGBITS if ![".eh_frame", ".debug_info"].contains(&name) => return None,
            _ => section.sh_size,
        };
        Some(range(section.sh_offset, len))
    });
    let all = headers.into_iter().chain(believed);
    all.filter(|aim| !aim.is_empty()).collect()
}

/// Bytes of an archive's member header.
const MEMBER_HEADER: usize = 60;

/// Magic, member headers, the tables of symbols and names, and what is believed of the members.
fn aims_of_archive(bytes: &[u8]) -> Vec<Range<usize>> {
    let magic = 0..8;
    let (mut aims, mut at) = (Vec::new(), magic.end);
    aims.push(magic);
    while let Some(header) = bytes.get(at..at + MEMBER_HEADER) {
        let data = at + MEMBER_HEADER;
        // Headers are few bytes among many: every one counts twice.
        aims.extend([at..data, at..data]);
        let size = str::from_utf8(&header[48..58]).unwrap_or_default().trim();
        let size: usize = size.parse().unwrap_or_default();
        let is_table = header.starts_with(b"/ ") || header.starts_with(b"//");
        if !is_table && bytes.starts_with(b"!<thin>\n") {
            at = data;
            continue;
        }
        let end = (data + size).min(bytes.len());
        if is_table {
            aims.push(data..end);
        } else {
            let inner = aims_of_elf(&bytes[data..end]);
            aims.extend(
                inner
                    .into_iter()
                    .map(|aim| data + aim.start..data + aim.end),
            );
        }
        at = end.next_multiple_of(2);
    }
    aims
}
