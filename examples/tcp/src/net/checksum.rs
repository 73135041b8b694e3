//! The checksums of TCP segments (RFC 9293, 3.1), which smoltcp leaves to its device: what a network card would do, done
//! here for many frames in one call.
//!
//! [`checksum`] is a placed function in an image: `place=checksum:nic` has the CPU with the device do it, wherever TCP is.

use super::frame::Frame;
use crate::rt::Cpu;
use crate::stats::STATS;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, TcpPacket,
};

/// Where frames are on their way to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the device to TCP: a segment whose checksum is wrong is lost, its frame is made empty.
    In,
    /// From TCP to the device: segments get their checksum.
    Out,
}

/// Does for all frames what their way needs. The caller holds no lock: this may run on another CPU.
#[cfg_attr(target_os = "none", fatcc_rt::placeable)]
pub fn checksum(frames: &mut [Frame], way: Way) {
    STATS.checksums.add_here(1);
    for frame in frames {
        match way {
            Way::In if !is_right(frame.bytes()) => frame.end = frame.start,
            Way::In => {}
            Way::Out => fill(frame.bytes_mut()),
        }
    }
}

/// What stands for wherever TCP is.
const WITH_TCP: &str = "tcp";

/// Has [`checksum`] run on the CPU with this name, or where TCP is for `tcp`. False if there is no such CPU.
#[cfg(target_os = "none")]
pub fn place(name: &str) -> bool {
    if name == WITH_TCP {
        fatcc_rt::unplace(checksum);
        return true;
    }
    let cpu = Cpu::named(name);
    cpu.map(|cpu| fatcc_rt::place(checksum, cpu)).is_some()
}

/// On the host it stays where TCP is.
#[cfg(not(target_os = "none"))]
pub fn place(name: &str) -> bool {
    name == WITH_TCP || Cpu::of_isa(name).is_some()
}

/// The names of all places, for people.
pub fn places() -> String {
    let names: Vec<&str> = Cpu::all().map(|cpu| cpu.isa()).collect();
    format!("{}, nic, {WITH_TCP}", names.join(", "))
}

/// Whether a frame holds no TCP segment with a wrong checksum. What it cannot read is TCP's to refuse.
fn is_right(frame: &[u8]) -> bool {
    let right = || {
        let packet = ipv4(frame)?;
        let (from, to) = addresses(&packet);
        let segment = TcpPacket::new_checked(packet.payload()).ok()?;
        Some(segment.verify_checksum(&from, &to))
    };
    right().unwrap_or(true)
}

fn fill(frame: &mut [u8]) {
    let Some((from, to)) = ipv4(frame).map(|packet| addresses(&packet)) else {
        return;
    };
    let mut frame = EthernetFrame::new_unchecked(frame);
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    if let Ok(mut segment) = TcpPacket::new_checked(packet.payload_mut()) {
        segment.fill_checksum(&from, &to);
    }
}

/// The packet in a frame, if it is a whole TCP segment's: smoltcp neither makes nor puts together fragments.
fn ipv4(frame: &[u8]) -> Option<Ipv4Packet<&[u8]>> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    if frame.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    let whole = !packet.more_frags() && packet.frag_offset() == 0;
    (whole && packet.next_header() == IpProtocol::Tcp).then_some(packet)
}

fn addresses(packet: &Ipv4Packet<&[u8]>) -> (IpAddress, IpAddress) {
    (packet.src_addr().into(), packet.dst_addr().into())
}

#[cfg(test)]
mod tests {
    use super::super::frame::buffer;
    use super::*;

    /// A segment with three bytes, 10.0.2.2:4096 to 10.0.2.15:80, in an IPv4 packet with padding behind it.
    const SEGMENT: [u8; 60] = *b"\x02\0\0\0\0\x0f\x02\0\0\0\0\x02\x08\0\
        \x45\0\0\x2b\0\0\0\0\x40\x06\0\0\x0a\0\x02\x02\x0a\0\x02\x0f\
        \x10\0\0\x50\0\0\0\x01\0\0\0\x02\x50\x10\x20\0\0\0\0\0abc\xaa\xaa\xaa";
    /// Where it has its checksum.
    const FIELD: usize = 14 + 20 + 16;
    /// Behind its last byte.
    const END: usize = 14 + 43;

    fn frame(bytes: &[u8]) -> Frame {
        let mut frame = Frame::new(buffer(), bytes.len());
        frame.bytes_mut().copy_from_slice(bytes);
        frame
    }

    /// By the words of RFC 9293, 3.1, and RFC 1071, 1.
    fn expected(bytes: &[u8]) -> u16 {
        let mut summed = bytes[26..34].to_vec();
        summed.extend([0, 6, 0, 23]);
        summed.extend(&bytes[34..END]);
        summed.push(0);
        let mut sum: u32 = summed
            .chunks(2)
            .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
            .sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn segments_that_leave_get_what_the_standard_says() {
        let mut sent = [frame(&SEGMENT)];
        checksum(&mut sent, Way::Out);
        let mut wanted = SEGMENT;
        wanted[FIELD..FIELD + 2].copy_from_slice(&expected(&SEGMENT).to_be_bytes());
        assert_eq!(sent[0].bytes(), wanted);
    }

    #[test]
    fn damaged_segments_that_arrive_are_lost() {
        let mut sent = [frame(&SEGMENT)];
        checksum(&mut sent, Way::Out);
        let good = sent[0].bytes().to_vec();
        for damaged in 26..END {
            let mut bytes = good.clone();
            bytes[damaged] ^= 0x10;
            let mut received = [frame(&good), frame(&bytes)];
            checksum(&mut received, Way::In);
            assert_eq!(received[0].bytes(), good);
            // A header of less than five words is TCP's to refuse.
            let is_read = bytes[46] >> 4 >= 5;
            assert_eq!(received[1].bytes().is_empty(), is_read, "byte {damaged}");
        }
    }

    #[test]
    fn what_is_no_segment_is_left_alone() {
        let mut udp = SEGMENT;
        udp[23] = 17;
        let mut arp = SEGMENT;
        arp[13] = 6;
        let mut fragment = SEGMENT;
        fragment[20] = 0x20;
        for bytes in [&udp[..], &arp, &fragment, &SEGMENT[..40], &[]] {
            for way in [Way::In, Way::Out] {
                let mut frames = [frame(bytes)];
                checksum(&mut frames, way);
                assert_eq!(frames[0].bytes(), bytes);
            }
        }
    }
}
