//! Frames in shared memory: what the driver and TCP hand to each other, without copying.
//!
//! Invariant: a buffer is owned by exactly one of device, queue and token; who has a [`Frame`] may change its bytes.

use alloc::boxed::Box;

/// Bytes of a buffer: a frame behind what a device wants in front of it, and as much as virtio wants at least.
pub const BUFFER: usize = 2048;
/// Bytes in front of a frame that is made here, for a device's header.
pub const HEADROOM: usize = 64;
/// An Ethernet frame without its check sequence.
pub const LONGEST: usize = 1514;

/// Memory for a frame.
pub type Buffer = Box<[u8; BUFFER]>;

/// A new one.
pub fn buffer() -> Buffer {
    Box::new([0; BUFFER])
}

/// A frame in its buffer.
pub struct Frame {
    /// The buffer, whole.
    pub buffer: Buffer,
    /// Where the frame starts.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

impl Frame {
    /// A frame of `length` bytes to be made in `buffer`; what is too long for one is cut.
    pub fn new(buffer: Buffer, length: usize) -> Frame {
        Frame {
            buffer,
            start: HEADROOM,
            end: HEADROOM + length.min(LONGEST),
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The same, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.end]
    }
}
