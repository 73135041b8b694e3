//! Where a request's body ends (RFC 9112, 6 and 7.1), as a state machine over slices.
//!
//! Invariant: [`Decoder::decode`] hands out payload as ranges of its input, so a body of any declared size needs no
//! memory; it never looks behind the end of the body, where the next pipelined request may start.

use super::Refusal;
use alloc::vec::Vec;

/// Bytes of a chunk's size line, extensions included, and of one trailer line.
const MAX_LINE: usize = 1024;
/// Bytes of all trailer lines.
const MAX_TRAILERS: usize = 8 * 1024;

/// How the head of a request delimits its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// That many bytes; zero if the head names no length.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// What the decoder found at the front of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// That many bytes which are not payload.
    Skip(usize),
    /// That many bytes of payload.
    Data(usize),
    /// The body has ended; no byte was used.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Payload by length.
    Length(u64),
    /// In the digits of a chunk size; how many there were.
    Size {
        size: u64,
        digits: usize,
    },
    /// In the rest of the size line, of which so many bytes were seen.
    Extension {
        size: u64,
        seen: usize,
    },
    /// At the LF of the size line.
    SizeLf {
        size: u64,
    },
    /// In a chunk's payload.
    Data(u64),
    /// At the CR, then the LF, behind a chunk's payload.
    DataCr,
    DataLf,
    /// In the trailer; bytes in this line, and in all.
    Trailer {
        line: usize,
        total: usize,
    },
    /// At the LF of a trailer line.
    TrailerLf {
        line: usize,
        total: usize,
    },
    End,
}

/// A position in a body.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
}

impl Decoder {
    /// At the first byte of the body.
    pub fn new(framing: Framing) -> Decoder {
        let state = match framing {
            Framing::Length(0) => State::End,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size { size: 0, digits: 0 },
        };
        Decoder { state }
    }

    /// Whether the body has ended.
    pub fn is_done(&self) -> bool {
        self.state == State::End
    }

    /// Appends the payload in `input` to `payload`. Returns how many bytes of `input` belong to the body: all, unless it
    /// ends among them.
    pub fn collect(&mut self, input: &[u8], payload: &mut Vec<u8>) -> Result<usize, Refusal> {
        let mut used = 0;
        while used < input.len() {
            match self.decode(&input[used..])? {
                Item::Skip(count) => used += count,
                Item::Data(count) => {
                    payload.extend_from_slice(&input[used..used + count]);
                    used += count;
                }
                Item::End => break,
            }
        }
        Ok(used)
    }

    /// The next piece of a non-empty input. The caller drops the bytes it names and calls again.
    pub fn decode(&mut self, input: &[u8]) -> Result<Item, Refusal> {
        let mut used = 0;
        loop {
            match self.state {
                State::End if used == 0 => return Ok(Item::End),
                State::Length(left) | State::Data(left) if used == 0 && !input.is_empty() => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    self.state = match self.state {
                        State::Length(_) if left == taken as u64 => State::End,
                        State::Length(_) => State::Length(left - taken as u64),
                        _ if left == taken as u64 => State::DataCr,
                        _ => State::Data(left - taken as u64),
                    };
                    return Ok(Item::Data(taken));
                }
                State::End | State::Length(_) | State::Data(_) => return Ok(Item::Skip(used)),
                _ => {}
            }
            let Some(byte) = input.get(used) else {
                return Ok(Item::Skip(used));
            };
            self.state = self.state.after(*byte)?;
            used += 1;
        }
    }
}

impl State {
    /// The state after one byte which is not payload.
    fn after(self, byte: u8) -> Result<State, Refusal> {
        match (self, byte) {
            (State::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).ok_or(Refusal::Chunk)?;
                // 16 digits always fit; leading zeros beyond that have no use.
                if digits == 16 {
                    return Err(Refusal::Chunk);
                }
                Ok(State::Size {
                    size: size << 4 | u64::from(digit),
                    digits: digits + 1,
                })
            }
            (State::Size { digits: 0, .. }, _) => Err(Refusal::Chunk),
            (State::Size { size, .. }, b'\r') => Ok(State::SizeLf { size }),
            (State::Size { size, .. }, b';' | b' ' | b'\t') => {
                Ok(State::Extension { size, seen: 1 })
            }
            (State::Extension { size, .. }, b'\r') => Ok(State::SizeLf { size }),
            (State::Extension { size, seen }, b'\t' | b' '..=b'~' | 0x80..) if seen < MAX_LINE => {
                Ok(State::Extension {
                    size,
                    seen: seen + 1,
                })
            }
            (State::SizeLf { size: 0 }, b'\n') => Ok(State::Trailer { line: 0, total: 0 }),
            (State::SizeLf { size }, b'\n') => Ok(State::Data(size)),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size { size: 0, digits: 0 }),
            (State::Trailer { line, total }, b'\r') => Ok(State::TrailerLf { line, total }),
            (State::Trailer { line, total }, b'\t' | b' '..=b'~' | 0x80..)
                if line < MAX_LINE && total < MAX_TRAILERS =>
            {
                Ok(State::Trailer {
                    line: line + 1,
                    total: total + 1,
                })
            }
            (State::TrailerLf { line: 0, .. }, b'\n') => Ok(State::End),
            (State::TrailerLf { total, .. }, b'\n') => Ok(State::Trailer {
                line: 0,
                total: total + 2,
            }),
            _ => Err(Refusal::Chunk),
        }
    }
}
