//! The virtio network device (VIRTIO 1.2, 5.1) by `virtio-drivers`.
//!
//! Rings and buffers come from the shared heap, where physical and virtual addresses are equal; the registers can be
//! reached from the CPU whose board has the device, so everything here runs there.
//!
//! Invariant: a buffer that the device has is in `receiving` or `sending`, under the token of its descriptor, and is not
//! touched; the others are not here.

use super::driver::NetDevice;
use super::frame::{BUFFER, Buffer, Frame, HEADROOM};
use super::port::RING;
use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::future::Future;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::fence;
use fatcc_rt::irq::Line;
use fatcc_rt::platform::{self, MmioSlot};
use virtio_drivers::device::net::VirtIONetRaw;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

type Raw = VirtIONetRaw<Memory, MmioTransport<'static>, RING>;

/// Memory for DMA: the shared heap.
struct Memory;

fn pages(count: usize) -> Layout {
    Layout::from_size_align(count * PAGE_SIZE, PAGE_SIZE).expect("a ring is some pages")
}

// SAFETY: the heap's memory is aligned as asked, zeroed, and used by nobody else; all of it has equal physical and
// virtual addresses.
unsafe impl Hal for Memory {
    fn dma_alloc(count: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // SAFETY: the layout has a size, since virtio-drivers asks for at least one page.
        let memory = NonNull::new(unsafe { alloc_zeroed(pages(count)) })
            .expect("no memory for the network device");
        (memory.addr().get() as PhysAddr, memory)
    }

    unsafe fn dma_dealloc(_: PhysAddr, memory: NonNull<u8>, count: usize) -> i32 {
        // SAFETY: the caller gives back what `dma_alloc` gave out, with the same number of pages.
        unsafe { dealloc(memory.as_ptr(), pages(count)) };
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, _: usize) -> NonNull<u8> {
        NonNull::new(core::ptr::with_exposed_provenance_mut(address as usize))
            .expect("no device is at address 0")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.addr().get() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// A network device of this CPU's board.
pub struct VirtioNet {
    raw: Raw,
    receiving: [Option<Buffer>; RING],
    /// With the bytes that were given to the device.
    sending: [Option<(Buffer, Range<usize>)>; RING],
    line: Line,
    mac: [u8; 6],
}

impl VirtioNet {
    /// The first network device on this CPU's board.
    pub fn find() -> Option<VirtioNet> {
        platform::virtio_mmio().find_map(|slot| VirtioNet::at(&slot))
    }

    fn at(slot: &MmioSlot) -> Option<VirtioNet> {
        let header = NonNull::new(core::ptr::with_exposed_provenance_mut::<VirtIOHeader>(
            slot.base,
        ))?;
        // SAFETY: the board has the registers of a virtio device here, mapped as device memory for as long as the
        // machine runs, and nobody else makes a driver for network devices.
        let transport = unsafe { MmioTransport::new(header, slot.size) }.ok()?;
        if transport.device_type() != DeviceType::Network {
            return None;
        }
        let raw = Raw::new(transport).ok()?;
        let mac = raw.mac_address();
        Some(VirtioNet {
            raw,
            receiving: [const { None }; RING],
            sending: [const { None }; RING],
            line: Line::new(slot.line),
            mac,
        })
    }

    /// Its hardware address.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// The token of the next frame. `None` means that the device will interrupt for the one after: what asks it to was
    /// written when the last frame was taken, and must reach it before we look for the last time (VIRTIO 1.2, 2.7.10),
    /// for which the driver of the ring has no barrier. Without this, one connection in 20,000 stood still.
    fn next_received(&mut self) -> Option<u16> {
        self.raw.poll_receive().or_else(|| {
            fence(SeqCst);
            self.raw.poll_receive()
        })
    }
}

impl NetDevice for VirtioNet {
    fn acknowledge(&mut self) {
        self.raw.ack_interrupt();
    }

    fn interrupt(&mut self) -> impl Future<Output = ()> + Send {
        self.line.wait()
    }

    fn receive(&mut self) -> Option<Frame> {
        while let Some(token) = self.next_received() {
            let mut buffer = self.receiving.get_mut(usize::from(token))?.take()?;
            // SAFETY: it is the buffer that `receive_begin` gave this token for.
            match unsafe { self.raw.receive_complete(token, &mut buffer[..]) } {
                Ok((start, length)) if start + length <= BUFFER => {
                    let end = start + length;
                    return Some(Frame { buffer, start, end });
                }
                // Nothing a correct device does; the frame is lost, as frames may be.
                _ => drop(self.offer(buffer)),
            }
        }
        None
    }

    fn offer(&mut self, mut buffer: Buffer) -> Result<(), Buffer> {
        // SAFETY: the buffer stays in `receiving`, untouched, until its token is completed.
        match unsafe { self.raw.receive_begin(&mut buffer[..]) } {
            Ok(token) => {
                self.receiving[usize::from(token)] = Some(buffer);
                Ok(())
            }
            Err(_) => Err(buffer),
        }
    }

    fn send(&mut self, mut frame: Frame) -> Result<(), Frame> {
        let header = self.raw.fill_buffer_header(&mut [0; HEADROOM]);
        let start = header
            .ok()
            .and_then(|header| frame.start.checked_sub(header));
        let Some(start) = start.filter(|_| self.raw.can_send()) else {
            return Err(frame);
        };
        let bytes = start..frame.end;
        let filled = self
            .raw
            .fill_buffer_header(&mut frame.buffer[bytes.clone()]);
        debug_assert!(filled.is_ok(), "the buffer is larger than the header");
        // SAFETY: the buffer stays in `sending`, untouched, until its token is completed.
        match unsafe { self.raw.transmit_begin(&frame.buffer[bytes.clone()]) } {
            Ok(token) => {
                self.sending[usize::from(token)] = Some((frame.buffer, bytes));
                Ok(())
            }
            Err(_) => Err(frame),
        }
    }

    fn sent(&mut self) -> Option<Buffer> {
        let token = self.raw.poll_transmit()?;
        // A token that was not given out is nothing a correct device returns.
        let (buffer, bytes) = self.sending.get_mut(usize::from(token))?.take()?;
        // SAFETY: these are the bytes that `transmit_begin` gave this token for.
        let _ = unsafe { self.raw.transmit_complete(token, &buffer[bytes]) };
        Some(buffer)
    }
}
