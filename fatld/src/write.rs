//! Output files that nobody ever sees half of.
//!
//! A file without a name (`O_TMPFILE`) is mapped and filled; when everything is made, it gets a name beside the
//! output's and is renamed, so an interrupted link leaves nothing behind and an output that exists is replaced at once.
//! Where the file system lacks such files, the bytes are made in memory and stand under a temporary name only while they
//! are copied. SIGINT, SIGTERM and SIGHUP wait as long as there is a temporary name.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};

use memmap2::MmapMut;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use rustix::fs::{AtFlags, CWD, FallocateFlags, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Problem};

fn zeroed(size: u64) -> Option<Vec<u8>> {
    let size = usize::try_from(size).ok()?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).ok()?;
    bytes.resize(size, 0);
    Some(bytes)
}

/// An output whose bytes are being made.
pub struct Pending {
    path: PathBuf,
    executable: bool,
    bytes: Bytes,
}

enum Bytes {
    Mapped { file: File, map: MmapMut },
    Memory(Vec<u8>),
}

impl Pending {
    /// An output of `size` bytes. Something that exists and is not a regular file is left alone.
    pub fn new(path: &Path, size: u64, executable: bool) -> Result<Self, Error> {
        refuse_special(path)?;
        let folder = folder_of(path);
        let bytes = match map_unnamed(folder, size, mode(executable)) {
            Ok(bytes) => bytes,
            // No such files here, or none that can be mapped or sized beforehand.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS | Errno::NODEV) => {
                Bytes::Memory(
                    zeroed(size).ok_or_else(|| failed(path, &io::ErrorKind::OutOfMemory.into()))?,
                )
            }
            Err(error) => return Err(failed(path, &error.into())),
        };
        Ok(Self {
            path: path.to_owned(),
            executable,
            bytes,
        })
    }

    /// An output that is made already.
    pub fn made(path: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        refuse_special(path)?;
        Ok(Self {
            path: path.to_owned(),
            executable: false,
            bytes: Bytes::Memory(bytes),
        })
    }

    /// The bytes to fill.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.bytes {
            Bytes::Mapped { map, .. } => map,
            Bytes::Memory(bytes) => bytes,
        }
    }

    /// The bytes that are made.
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped { map, .. } => map,
            Bytes::Memory(bytes) => bytes,
        }
    }

    /// Gives the file its name, in place of what had it.
    pub fn publish(self) -> Result<(), Error> {
        without_interruption(|| self.rename()).map_err(|e| failed(&self.path, &e))
    }

    fn rename(&self) -> io::Result<()> {
        let named =
            tempfile::Builder::new()
                .prefix(".fatld-")
                .make_in(folder_of(&self.path), |name| match &self.bytes {
                    Bytes::Mapped { file, map } => match link(file, name) {
                        Ok(()) => Ok(()),
                        Err(Errno::EXIST) => Err(Errno::EXIST.into()),
                        // Without /proc a file cannot get a name.
                        Err(_) => copy(map, name, self.executable),
                    },
                    Bytes::Memory(bytes) => copy(bytes, name, self.executable),
                })?;
        Ok(named.into_temp_path().persist(&self.path)?)
    }
}

fn refuse_special(path: &Path) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            let reason = "it exists and is not a regular file".to_owned();
            Err(Problem::Output {
                file: path.to_owned(),
                reason,
            }
            .into())
        }
        _ => Ok(()),
    }
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Problem::Output {
        file: path.to_owned(),
        reason: error.to_string(),
    }
    .into()
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// What `open` gives a new file before the umask.
fn mode(executable: bool) -> u32 {
    if executable { 0o777 } else { 0o666 }
}

/// A file without a name. Its blocks are reserved, so that a full disk is an error here and not a signal later.
fn map_unnamed(folder: &Path, size: u64, mode: u32) -> Result<Bytes, Errno> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(folder, flags, mode.into())?);
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size)?;
    // SAFETY: the file has no name and its descriptor does not leave this process: nobody else changes or cuts it.
    let map = unsafe { MmapMut::map_mut(&file) }.map_err(|_| Errno::NODEV)?;
    Ok(Bytes::Mapped { file, map })
}

/// Gives a file without a name one.
fn link(file: &File, name: &Path) -> Result<(), Errno> {
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, descriptor, CWD, name, AtFlags::SYMLINK_FOLLOW)
}

fn copy(bytes: &[u8], name: &Path, executable: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode(executable));
    options.open(name)?.write_all(bytes).inspect_err(|_| {
        // What was wrong with the copy is the error to tell, not what is wrong with its removal.
        let _ = std::fs::remove_file(name);
    })
}

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// The last signal that came during [`without_interruption`], 0 for none.
static CAME: AtomicI32 = AtomicI32::new(0);

extern "C" fn remember(signal: i32) {
    CAME.store(signal, Ordering::Relaxed);
}

/// Signals that end a program have their effect when `work` is done.
fn without_interruption<T>(work: impl FnOnce() -> T) -> T {
    let handler = SigHandler::Handler(remember);
    let wait = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    let former = SIGNALS.map(|signal| {
        // SAFETY: the handler only stores to an atomic.
        unsafe { sigaction(signal, &wait) }.ok()
    });
    let result = work();
    for (signal, former) in SIGNALS.iter().zip(former) {
        if let Some(former) = former {
            // SAFETY: it was the signal's handler before.
            let _ = unsafe { sigaction(*signal, &former) };
        }
    }
    if let Ok(signal) = Signal::try_from(CAME.swap(0, Ordering::Relaxed)) {
        let _ = raise(signal);
    }
    result
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_cannot_be_mapped_is_written_all_the_same() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("out");
        let pending = Pending {
            path: path.clone(),
            executable: true,
            bytes: Bytes::Memory(b"bytes".to_vec()),
        };
        pending.publish().expect("written");
        assert_eq!(std::fs::read(&path).expect("there"), b"bytes");
        let names = std::fs::read_dir(folder.path()).expect("folder").count();
        assert_eq!(names, 1);
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o100, 0o100);
    }

    #[test]
    fn a_signal_has_its_effect_after_the_work() {
        let before = CAME.load(Ordering::Relaxed);
        let during = without_interruption(|| {
            let _ = raise(Signal::SIGHUP);
            // Taken back, so that this process lives on.
            CAME.swap(0, Ordering::Relaxed)
        });
        assert_eq!((before, during), (0, Signal::SIGHUP as i32));
    }
}
