//! The server of the `ivshmem-doorbell` devices: tells each QEMU which event of which peer to signal.
//!
//! The protocol (QEMU, docs/specs/ivshmem-spec.txt, "Interrupt setup"): little-endian 64-bit words over a Unix socket,
//! some with a file descriptor beside them. To a new peer go version 0, its own id, −1 with the device's memory, and
//! then, for each peer that is there and for itself, that peer's id once per vector, with the event of the vector. To
//! the other peers goes the new one's id with its events; when a peer leaves, its id without any.
//!
//! All words for a peer fit into its socket's buffer, so nothing ever waits here, and no thread is needed.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::IoSlice;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// Bytes of the device's own memory. Nobody uses it, but QEMU wants a power of two.
const MEMORY: u64 = 4096;
/// Version of the protocol.
const VERSION: i64 = 0;
/// Stands before the memory's descriptor.
const IS_MEMORY: i64 = -1;

/// One QEMU with a doorbell.
struct Peer {
    /// `None` when it has left.
    socket: Option<UnixStream>,
    vectors: Vec<OwnedFd>,
}

/// The server. A peer's id is the number of those that joined before.
pub struct Server {
    memory: OwnedFd,
    vectors: usize,
    peers: Vec<Peer>,
}

impl Server {
    /// A server of devices with that many vectors.
    pub fn new(vectors: usize) -> io::Result<Server> {
        let memory = memfd_create("ivshmem", MemfdFlags::CLOEXEC)?;
        ftruncate(&memory, MEMORY)?;
        Ok(Server {
            memory,
            vectors,
            peers: Vec::new(),
        })
    }

    /// Adds a peer, which is told all by the returned socket, and tells the others. The socket is for QEMU's
    /// `-chardev socket,fd=`.
    pub fn join(&mut self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        let id = self.peers.len();
        let mut vectors = Vec::new();
        for _ in 0..self.vectors {
            vectors.push(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        }
        send(&ours, VERSION, None)?;
        send(&ours, id as i64, None)?;
        send(&ours, IS_MEMORY, Some(self.memory.as_fd()))?;
        self.peers.push(Peer {
            socket: Some(ours),
            vectors,
        });
        let new = &self.peers[id];
        for (other_id, other) in self.peers.iter().enumerate() {
            new.tell(other_id, &other.vectors)?;
            if other_id != id {
                // One that has just exited is found out by its owner.
                let _ = other.tell(id, &new.vectors);
            }
        }
        Ok(theirs)
    }

    /// Removes a peer and tells the others.
    pub fn leave(&mut self, id: usize) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.socket = None;
            for socket in self.peers.iter().filter_map(|other| other.socket.as_ref()) {
                // One that has exited as well need not know.
                let _ = send(socket, id as i64, None);
            }
        }
    }
}

impl Peer {
    /// Tells this peer the events of another.
    fn tell(&self, id: usize, vectors: &[OwnedFd]) -> io::Result<()> {
        if let Some(socket) = &self.socket {
            for vector in vectors {
                send(socket, id as i64, Some(vector.as_fd()))?;
            }
        }
        Ok(())
    }
}

/// Sends one word, with a descriptor beside it.
fn send(socket: &UnixStream, word: i64, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.as_slice();
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let bytes = word.to_le_bytes();
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    match sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, flags)? {
        8 => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::IoSliceMut;
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

    use super::*;

    /// What QEMU reads: a word, and the descriptor beside it.
    fn receive(socket: &UnixStream) -> Option<(i64, Option<OwnedFd>)> {
        let mut bytes = [0; 8];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::DONTWAIT,
        )
        .ok()?;
        if message.bytes != 8 {
            return None;
        }
        let descriptor = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        Some((i64::from_le_bytes(bytes), descriptor))
    }

    /// Words with whether a descriptor came along; the descriptors apart.
    fn receive_all(socket: &UnixStream) -> (Vec<(i64, bool)>, Vec<OwnedFd>) {
        let mut words = Vec::new();
        let mut descriptors = Vec::new();
        while let Some((word, descriptor)) = receive(socket) {
            words.push((word, descriptor.is_some()));
            descriptors.extend(descriptor);
        }
        (words, descriptors)
    }

    #[test]
    fn a_peer_is_told_version_id_memory_and_all_events() {
        let mut server = Server::new(1).unwrap();
        let first = server.join().unwrap();
        let second = server.join().unwrap();
        assert_eq!(
            receive_all(&first).0,
            [(0, false), (0, false), (-1, true), (0, true), (1, true)]
        );
        assert_eq!(
            receive_all(&second).0,
            [(0, false), (1, false), (-1, true), (0, true), (1, true)]
        );
    }

    #[test]
    fn every_vector_has_an_event() {
        let mut server = Server::new(2).unwrap();
        let first = server.join().unwrap();
        assert_eq!(
            receive_all(&first).0,
            [(0, false), (0, false), (-1, true), (0, true), (0, true)]
        );
        server.join().unwrap();
        assert_eq!(receive_all(&first).0, [(1, true), (1, true)]);
    }

    #[test]
    fn what_one_peer_signals_the_other_receives() {
        let mut server = Server::new(1).unwrap();
        let sockets = [server.join().unwrap(), server.join().unwrap()];
        let [first, second] = sockets.map(|socket| receive_all(&socket).1);
        // Descriptors: memory, event of peer 0, event of peer 1.
        rustix::io::write(&first[2], &1_u64.to_le_bytes()).unwrap();
        let mut count = [0; 8];
        assert!(rustix::io::read(&second[1], &mut count).is_err());
        rustix::io::read(&second[2], &mut count).unwrap();
        assert_eq!(u64::from_le_bytes(count), 1);
    }

    #[test]
    fn a_peer_that_leaves_is_announced() {
        let mut server = Server::new(1).unwrap();
        let first = server.join().unwrap();
        let second = server.join().unwrap();
        receive_all(&first);
        drop(second);
        server.leave(1);
        assert_eq!(receive_all(&first).0, [(1, false)]);
        server.leave(0);
        server.leave(7);
    }
}
