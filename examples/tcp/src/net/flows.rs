//! What is known of each connection beyond its socket, read off the segments that leave: one list for the whole system,
//! whichever CPU sent them.
//!
//! Invariant: counts do not depend on where TCP runs; a flow begins with the segment that has SYN.

use super::Net;
use crate::rt::Cpu;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use smoltcp::socket::{Socket, tcp};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Address, Ipv4Packet, TcpPacket,
};

/// Both ends of a connection, as far as they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ends {
    local_port: u16,
    remote: (Ipv4Address, u16),
}

impl Ends {
    /// Those of a socket that has a connection.
    pub(super) fn of(socket: &tcp::Socket<'_>) -> Option<Ends> {
        let (local, remote) = (socket.local_endpoint()?, socket.remote_endpoint()?);
        let IpAddress::Ipv4(address) = remote.addr;
        Some(Ends {
            local_port: local.port,
            remote: (address, remote.port),
        })
    }
}

/// A TCP segment that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    ends: Ends,
    /// First and last sequence number, SYN and FIN counted.
    sequence: u32,
    end: u32,
    /// Whether it opens the connection.
    syn: bool,
    /// The acknowledgement, if it has one.
    acknowledged: Option<u32>,
}

impl Segment {
    /// The segment in a frame.
    pub fn of(frame: &[u8]) -> Option<Segment> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        if frame.ethertype() != EthernetProtocol::Ipv4 {
            return None;
        }
        let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
        if packet.next_header() != IpProtocol::Tcp {
            return None;
        }
        let segment = TcpPacket::new_checked(packet.payload()).ok()?;
        let sequence = segment.seq_number().0 as u32;
        Some(Segment {
            ends: Ends {
                local_port: segment.src_port(),
                remote: (packet.dst_addr(), segment.dst_port()),
            },
            sequence,
            end: sequence.wrapping_add(segment.segment_len() as u32),
            syn: segment.syn(),
            acknowledged: segment.ack().then(|| segment.ack_number().0 as u32),
        })
    }
}

/// One connection.
#[derive(Clone, Copy, Debug)]
struct Flow {
    /// Bytes received and acknowledged.
    bytes_in: u64,
    /// Bytes sent, each counted once.
    bytes_out: u64,
    /// Segments that were sent again.
    retransmissions: u64,
    /// The sequence number behind everything sent.
    sent: u32,
    /// The last acknowledgement.
    acknowledged: Option<u32>,
    /// The CPU that sent its last segment.
    tcp: Cpu,
    /// The CPU of the task that accepted it.
    application: Option<Cpu>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Flows(BTreeMap<Ends, Flow>);

/// Whether one sequence number is behind another (RFC 9293, 3.4).
fn is_after(number: u32, other: u32) -> bool {
    (number.wrapping_sub(other) as i32) > 0
}

impl Flows {
    /// Counts segments that this CPU sends.
    pub(super) fn sent(&mut self, segments: &[Segment]) {
        let here = Cpu::current();
        for segment in segments {
            let fresh = Flow {
                bytes_in: 0,
                bytes_out: 0,
                retransmissions: 0,
                sent: segment.sequence,
                acknowledged: None,
                tcp: here,
                application: None,
            };
            let flow = self.0.entry(segment.ends).or_insert(fresh);
            let again = segment.syn && flow.sent == segment.end;
            if segment.syn && !again {
                *flow = fresh;
            }
            flow.count(segment, here);
        }
    }

    /// A task of this CPU has accepted the connection of `socket`.
    pub(super) fn accepted(&mut self, socket: &tcp::Socket<'_>) {
        let flow = Ends::of(socket).and_then(|ends| self.0.get_mut(&ends));
        if let Some(flow) = flow {
            flow.application = Some(Cpu::current());
        }
    }

    /// Forgets connections that no socket has, when there are more of those than others.
    pub(super) fn prune<'s>(&mut self, sockets: impl Iterator<Item = &'s tcp::Socket<'static>>) {
        let live: Vec<Ends> = sockets.filter_map(Ends::of).collect();
        self.0.retain(|ends, _| live.contains(ends));
    }

    /// How many it has.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Flow {
    fn count(&mut self, segment: &Segment, here: Cpu) {
        self.tcp = here;
        let length = segment.end.wrapping_sub(segment.sequence);
        if is_after(segment.end, self.sent) {
            let new = segment.end.wrapping_sub(self.sent);
            self.bytes_out += u64::from(new) - u64::from(segment.syn);
            self.sent = segment.end;
        } else if length > 0 {
            self.retransmissions += 1;
        }
        if let Some(number) = segment.acknowledged {
            if let Some(before) = self.acknowledged
                && is_after(number, before)
            {
                self.bytes_in += u64::from(number.wrapping_sub(before));
            }
            self.acknowledged = Some(number);
        }
    }
}

/// A connection as the list shows it.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// Address and port of the peer.
    pub remote: (Ipv4Address, u16),
    /// Own port.
    pub local_port: u16,
    /// RFC 9293's state.
    pub state: tcp::State,
    /// The CPU that sent its last segment.
    pub tcp: Cpu,
    /// The CPU of the task that accepted it, once one has.
    pub application: Option<Cpu>,
    /// Bytes received, FIN counted as one.
    pub bytes_in: u64,
    /// Bytes sent, FIN counted as one.
    pub bytes_out: u64,
    /// Segments that were sent again.
    pub retransmissions: u64,
}

impl Net {
    /// All connections.
    pub fn connections(&self) -> Vec<Connection> {
        let stack = self.stack.lock();
        let sockets = stack.sockets.iter().map(|(_, Socket::Tcp(socket))| socket);
        let all = sockets.filter_map(|socket| {
            let ends = Ends::of(socket)?;
            let flow = stack.flows.0.get(&ends)?;
            Some(Connection {
                remote: ends.remote,
                local_port: ends.local_port,
                state: socket.state(),
                tcp: flow.tcp,
                application: flow.application,
                bytes_in: flow.bytes_in,
                bytes_out: flow.bytes_out,
                retransmissions: flow.retransmissions,
            })
        });
        all.collect()
    }
}
