//! The virtio network device (VIRTIO 1.2, 5.1) by `virtio-drivers`, as smoltcp's `Device`.
//!
//! Rings and buffers come from the shared heap, where physical and virtual addresses are equal; the registers can be
//! reached from the CPU whose board has the device, so everything here runs there.
//!
//! Invariant: a buffer is in exactly one place: with the device (in `receiving` or `sending`, under the token of its
//! descriptor), in a token of smoltcp's, or among the `free` ones. Only the first may not be touched.

use super::driver::NetDevice;
use alloc::alloc::{alloc_zeroed, dealloc};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::RefCell;
use core::future::Future;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::fence;
use fatcc_rt::irq::Line;
use fatcc_rt::platform::{self, MmioSlot};
use smoltcp::phy::{Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use virtio_drivers::device::net::VirtIONetRaw;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// Entries of each ring.
const RING: usize = 256;
/// An Ethernet frame without its check sequence.
const FRAME: usize = 1514;
/// A frame with virtio's header, and as much as the driver wants at least.
const BUFFER: usize = 2048;

type Raw = VirtIONetRaw<Memory, MmioTransport<'static>, RING>;
type Buffer = Box<[u8; BUFFER]>;

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
    rings: RefCell<Rings>,
    line: Line,
    mac: [u8; 6],
}

struct Rings {
    raw: Raw,
    receiving: [Option<Buffer>; RING],
    /// With the bytes that were given to the device.
    sending: [Option<(Buffer, usize)>; RING],
    free: Vec<Buffer>,
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
        let mut rings = Rings {
            raw,
            receiving: [const { None }; RING],
            sending: [const { None }; RING],
            free: (0..2 * RING).map(|_| Box::new([0; BUFFER])).collect(),
        };
        for _ in 0..RING {
            rings.offer_buffer();
        }
        Some(VirtioNet {
            rings: RefCell::new(rings),
            line: Line::new(slot.line),
            mac,
        })
    }

    /// Its hardware address.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }
}

impl Rings {
    /// Gives the device a buffer to receive into.
    fn offer_buffer(&mut self) {
        let Some(mut buffer) = self.free.pop() else {
            return;
        };
        // SAFETY: the buffer stays in `receiving`, untouched, until its token is completed.
        match unsafe { self.raw.receive_begin(&mut buffer[..]) } {
            Ok(token) => self.receiving[usize::from(token)] = Some(buffer),
            Err(_) => self.free.push(buffer),
        }
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

    /// The next frame received: its buffer, and where in it the frame is.
    fn take_frame(&mut self) -> Option<(Buffer, usize, usize)> {
        while let Some(token) = self.next_received() {
            let mut buffer = self.receiving.get_mut(usize::from(token))?.take()?;
            // SAFETY: it is the buffer that `receive_begin` gave this token for.
            match unsafe { self.raw.receive_complete(token, &mut buffer[..]) } {
                Ok((start, length)) if start + length <= BUFFER => {
                    return Some((buffer, start, length));
                }
                // Nothing a correct device does; the frame is lost, as frames may be.
                _ => self.free.push(buffer),
            }
        }
        None
    }

    /// Takes back the buffers that the device has sent.
    fn reclaim(&mut self) {
        while let Some(token) = self.raw.poll_transmit() {
            let sent = self
                .sending
                .get_mut(usize::from(token))
                .and_then(Option::take);
            // A token that was not given out is nothing a correct device returns.
            let Some((buffer, length)) = sent else { return };
            // SAFETY: these are the bytes that `transmit_begin` gave this token for.
            let _ = unsafe { self.raw.transmit_complete(token, &buffer[..length]) };
            self.free.push(buffer);
        }
    }

    /// Whether a frame can be sent.
    fn has_room(&mut self) -> bool {
        self.reclaim();
        self.raw.can_send() && !self.free.is_empty()
    }
}

/// A received frame. Its buffer goes back to the device afterwards.
pub struct RxToken<'a> {
    rings: &'a RefCell<Rings>,
    /// `None` only while it is dropped.
    buffer: Option<Buffer>,
    start: usize,
    length: usize,
}

impl smoltcp::phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let frame = self.buffer.as_ref().map_or(&[][..], |buffer| {
            &buffer[self.start..self.start + self.length]
        });
        f(frame)
    }
}

impl Drop for RxToken<'_> {
    fn drop(&mut self) {
        let mut rings = self.rings.borrow_mut();
        rings.free.extend(self.buffer.take());
        rings.offer_buffer();
    }
}

/// Leave to send a frame: there is a descriptor and a buffer for it, which it takes when it is consumed.
pub struct TxToken<'a> {
    rings: &'a RefCell<Rings>,
}

impl smoltcp::phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut rings = self.rings.borrow_mut();
        let mut buffer = rings
            .free
            .pop()
            .expect("a token is made only when there is a buffer");
        let header = rings
            .raw
            .fill_buffer_header(&mut buffer[..])
            .expect("a buffer is larger than the header");
        drop(rings);
        let end = header + length;
        let result = f(&mut buffer[header..end]);
        let mut rings = self.rings.borrow_mut();
        // SAFETY: the buffer stays in `sending`, untouched, until its token is completed.
        match unsafe { rings.raw.transmit_begin(&buffer[..end]) } {
            Ok(token) => rings.sending[usize::from(token)] = Some((buffer, end)),
            // The frame is lost, as frames may be.
            Err(_) => rings.free.push(buffer),
        }
        result
    }
}

impl Device for VirtioNet {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        let rings = self.rings.get_mut();
        // A frame may have to be answered.
        if !rings.has_room() {
            return None;
        }
        let (buffer, start, length) = rings.take_frame()?;
        let rings = &self.rings;
        Some((
            RxToken {
                rings,
                buffer: Some(buffer),
                start,
                length,
            },
            TxToken { rings },
        ))
    }

    fn transmit(&mut self, _: Instant) -> Option<TxToken<'_>> {
        self.rings
            .get_mut()
            .has_room()
            .then_some(TxToken { rings: &self.rings })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME;
        capabilities
    }
}

impl NetDevice for VirtioNet {
    fn acknowledge(&mut self) {
        self.rings.get_mut().raw.ack_interrupt();
    }

    fn interrupt(&mut self) -> impl Future<Output = ()> + Send {
        self.line.wait()
    }
}
