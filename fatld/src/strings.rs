//! Strings of many inputs merged into one section, each of them once.
//!
//! Strings are spread over a fixed number of shards by their hash, and each shard keeps its strings in the order in which
//! the inputs have them: shards can be made by as many threads as there are, and the result does not depend on it.

use std::borrow::Cow;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rayon::prelude::*;
use rustc_hash::FxBuildHasher;

/// Shards, a power of two: enough for the CPUs of a large machine.
const SHARDS: usize = 32;
const SHARD_SHIFT: u32 = u32::BITS - SHARDS.trailing_zeros();

/// A merged section.
#[derive(Debug)]
pub struct Strings<'d> {
    inputs: Vec<Input<'d>>,
    shards: Vec<Shard>,
}

/// An input's section and its strings.
#[derive(Debug)]
struct Input<'d> {
    data: Cow<'d, [u8]>,
    pieces: Vec<Piece>,
    /// Indexes of the pieces, by shard.
    order: Vec<u32>,
    /// Where each shard begins in `order`, and the end.
    shards: [u32; SHARDS + 1],
}

#[derive(Debug)]
struct Piece {
    start: u32,
    hash: u32,
    /// Offset of the string in its shard.
    moved: AtomicU32,
}

/// Strings whose hashes begin alike.
#[derive(Debug, Default)]
struct Shard {
    start: u64,
    size: u64,
    /// Where each string is found first: input and piece.
    strings: Vec<(u32, u32)>,
}

impl<'d> Strings<'d> {
    /// Merges sections of strings. Each is shorter than 4 GiB, and its last string ends with a NUL.
    pub fn merge(sections: Vec<Cow<'d, [u8]>>) -> Self {
        let inputs: Vec<_> = sections.into_par_iter().map(Input::cut).collect();
        let shards = (0..SHARDS).into_par_iter();
        let mut shards: Vec<_> = shards.map(|shard| Shard::merge(shard, &inputs)).collect();
        let mut start = 0;
        for shard in &mut shards {
            shard.start = start;
            start += shard.size;
        }
        Self { inputs, shards }
    }

    /// Bytes of the merged section.
    pub fn size(&self) -> u64 {
        self.shards.last().map_or(0, |last| last.start + last.size)
    }

    /// Where an offset in an input's section is in the merged one.
    pub fn offset(&self, input: usize, offset: u64) -> Option<u64> {
        let pieces = &self.inputs[input].pieces;
        let after = pieces.partition_point(|piece| u64::from(piece.start) <= offset);
        let piece = &pieces[after.checked_sub(1)?];
        let string = self.shards[shard_of(piece.hash)].start
            + u64::from(piece.moved.load(Ordering::Relaxed));
        string.checked_add(offset - u64::from(piece.start))
    }

    /// Bytes of each part that [`Strings::write`] makes.
    pub fn parts(&self) -> impl Iterator<Item = u64> {
        self.shards.iter().map(|shard| shard.size)
    }

    /// Writes a part of the merged section.
    pub fn write(&self, part: usize, out: &mut [u8]) {
        let mut rest = out;
        for (input, piece) in &self.shards[part].strings {
            let string = self.inputs[*input as usize].string(*piece as usize);
            let (place, behind) = rest.split_at_mut(string.len());
            place.copy_from_slice(string);
            rest = behind;
        }
    }
}

fn shard_of(hash: u32) -> usize {
    (hash >> SHARD_SHIFT) as usize
}

impl<'d> Input<'d> {
    fn cut(data: Cow<'d, [u8]>) -> Self {
        let mut pieces = Vec::new();
        let (mut start, mut shards) = (0, [0; SHARDS + 1]);
        for end in memchr::memchr_iter(0, &data) {
            let hash = (FxBuildHasher.hash_one(&data[start..=end]) >> 32) as u32;
            shards[shard_of(hash) + 1] += 1;
            pieces.push(Piece {
                start: start as u32,
                hash,
                moved: AtomicU32::new(0),
            });
            start = end + 1;
        }
        for shard in 0..SHARDS {
            shards[shard + 1] += shards[shard];
        }
        let (mut next, mut order) = (shards, vec![0; pieces.len()]);
        for (index, piece) in pieces.iter().enumerate() {
            let place = &mut next[shard_of(piece.hash)];
            order[*place as usize] = index as u32;
            *place += 1;
        }
        Self {
            data,
            pieces,
            order,
            shards,
        }
    }

    fn string(&self, piece: usize) -> &[u8] {
        let end = self.pieces.get(piece + 1);
        let end = end.map_or(self.data.len(), |next| next.start as usize);
        &self.data[self.pieces[piece].start as usize..end]
    }
}

impl Shard {
    fn merge(shard: usize, inputs: &[Input<'_>]) -> Self {
        /// A string that the shard has.
        struct Known {
            hash: u32,
            moved: u32,
            index: u32,
        }
        let mut known: HashTable<Known> = HashTable::new();
        let mut merged = Self::default();
        let spread = |hash: u32| u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for (input_index, input) in inputs.iter().enumerate() {
            let own = input.shards[shard] as usize..input.shards[shard + 1] as usize;
            for at in &input.order[own] {
                let (piece, string) = (&input.pieces[*at as usize], input.string(*at as usize));
                let is_same = |other: &Known| {
                    let (input, at) = merged.strings[other.index as usize];
                    other.hash == piece.hash && inputs[input as usize].string(at as usize) == string
                };
                let entry = known.entry(spread(piece.hash), is_same, |other| spread(other.hash));
                let moved = match entry {
                    Entry::Occupied(there) => there.get().moved,
                    Entry::Vacant(place) => {
                        // A shard beyond 4 GiB is in a section far beyond: no 32-bit reference can reach it.
                        let moved = u32::try_from(merged.size).unwrap_or(u32::MAX);
                        place.insert(Known {
                            hash: piece.hash,
                            moved,
                            index: merged.strings.len() as u32,
                        });
                        merged.strings.push((input_index as u32, *at));
                        merged.size += string.len() as u64;
                        moved
                    }
                };
                piece.moved.store(moved, Ordering::Relaxed);
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(sections: &[&[u8]]) -> Vec<u8> {
        made(&Strings::merge(cows(sections)))
    }

    fn cows<'d>(sections: &[&'d [u8]]) -> Vec<Cow<'d, [u8]>> {
        sections.iter().map(|data| Cow::Borrowed(*data)).collect()
    }

    fn made(strings: &Strings<'_>) -> Vec<u8> {
        let mut bytes = vec![0xa5; strings.size() as usize];
        let mut rest = bytes.as_mut_slice();
        for (part, size) in strings.parts().enumerate() {
            let (place, behind) = rest.split_at_mut(size as usize);
            strings.write(part, place);
            rest = behind;
        }
        assert!(rest.is_empty());
        bytes
    }

    #[test]
    fn every_string_is_there_once_and_is_found() {
        let words: Vec<String> = (0..2000).map(|i| format!("word{}\0", i % 700)).collect();
        let sections: Vec<Vec<u8>> = words.chunks(70).map(|c| c.concat().into_bytes()).collect();
        let sections: Vec<&[u8]> = sections.iter().map(Vec::as_slice).collect();
        let strings = Strings::merge(cows(&sections));
        let bytes = made(&strings);
        let once: usize = words[..700].iter().map(String::len).sum();
        assert_eq!(bytes.len(), once);
        for (input, section) in sections.iter().enumerate() {
            for offset in 0..section.len() {
                let moved = strings.offset(input, offset as u64).expect("found") as usize;
                let len = section[offset..].iter().position(|b| *b == 0).expect("end") + 1;
                assert_eq!(bytes[moved..moved + len], section[offset..offset + len]);
            }
        }
    }

    #[test]
    fn one_thread_and_many_make_the_same() {
        let words: String = (0..5000).map(|i| format!("{}\0", i * i % 1700)).collect();
        let sections: Vec<&[u8]> = words.as_bytes().split_inclusive(|b| *b == b'9').collect();
        let sections: Vec<Vec<u8>> = sections.iter().map(|s| [s, &b"\0"[..]].concat()).collect();
        let sections: Vec<&[u8]> = sections.iter().map(Vec::as_slice).collect();
        let at = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads").install(|| merge(&sections))
        };
        assert!(at(1) == at(8));
    }
}
