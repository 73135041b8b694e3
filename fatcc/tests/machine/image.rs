//! Images made here: two assembled programs in one ELF, as `fatld` would lay them out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fat_image::machine::{RISCV64_BOOT, X86_64_BOOT};

/// What a program does after it has said hello.
#[derive(Clone, Copy)]
pub enum Mode {
    /// Tell its doorbell's id, ring the other CPU, wait to be rung and end well.
    Ring,
    /// Fail.
    Fail,
    /// Nothing.
    Forever,
    /// End well.
    Succeed,
}

/// An image in a folder of its own.
pub struct Image {
    dir: tempfile::TempDir,
}

impl Image {
    /// Assembles it.
    pub fn new(x86_64: Mode, riscv64: Mode) -> Image {
        let dir = tempfile::tempdir().unwrap();
        let x86_64 = assemble(dir.path(), "", "x86_64", x86_64, X86_64_BOOT);
        let riscv64 = assemble(
            dir.path(),
            "riscv64-linux-gnu-",
            "riscv64",
            riscv64,
            RISCV64_BOOT,
        );
        fs::write(dir.path().join("image, fat"), elf(&x86_64, &riscv64)).unwrap();
        Image { dir }
    }

    /// Its file.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("image, fat")
    }
}

/// The bytes of a program that is to be at `address`.
fn assemble(dir: &Path, prefix: &str, isa: &str, mode: Mode, address: u64) -> Vec<u8> {
    let tool = |name: &str, arguments: &[&str]| {
        let output = Command::new(format!("{prefix}{name}"))
            .args(arguments)
            .current_dir(dir)
            .output();
        let output = output.unwrap_or_else(|error| panic!("{prefix}{name}: {error}"));
        assert!(
            output.status.success(),
            "{prefix}{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let source = format!("{}/tests/machine/{isa}.s", env!("CARGO_MANIFEST_DIR"));
    let [object, program, binary] =
        ["o", "elf", "bin"].map(|extension| format!("{isa}.{extension}"));
    tool(
        "as",
        &[
            "--defsym",
            &format!("MODE={}", mode as u8),
            "-o",
            &object,
            &source,
        ],
    );
    // Text is written to by the programs, and there is nothing but text.
    tool(
        "ld",
        &[
            "-N",
            "-Ttext",
            &format!("{address:#x}"),
            "-o",
            &program,
            &object,
        ],
    );
    tool(
        "objcopy",
        &["-O", "binary", "-j", ".text", &program, &binary],
    );
    fs::read(dir.join(binary)).unwrap()
}

/// An ELF file for x86_64 with a PVH note and both programs.
fn elf(x86_64: &[u8], riscv64: &[u8]) -> Vec<u8> {
    const HEADER: u64 = 64;
    const SEGMENT: u64 = 56;
    const PT_LOAD: u32 = 1;
    const PT_NOTE: u32 = 4;
    const READ_WRITE_EXECUTE: u32 = 7;
    // The Xen note PHYS32_ENTRY: where PVH starts.
    let mut note = Vec::new();
    for word in [4_u32, 8, 18] {
        note.extend(word.to_le_bytes());
    }
    note.extend(b"Xen\0");
    note.extend(X86_64_BOOT.to_le_bytes());

    let segments: [(u32, u64, &[u8]); 3] = [
        (PT_NOTE, 0, &note),
        (PT_LOAD, X86_64_BOOT, x86_64),
        (PT_LOAD, RISCV64_BOOT, riscv64),
    ];
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    let long = |file: &mut Vec<u8>, value: u64| file.extend(value.to_le_bytes());
    half(&mut file, 2); // ET_EXEC
    half(&mut file, 62); // EM_X86_64
    word(&mut file, 1);
    long(&mut file, X86_64_BOOT);
    long(&mut file, HEADER);
    long(&mut file, 0);
    word(&mut file, 0);
    for value in [
        HEADER as u16,
        SEGMENT as u16,
        segments.len() as u16,
        64,
        0,
        0,
    ] {
        half(&mut file, value);
    }
    let mut offset = HEADER + SEGMENT * segments.len() as u64;
    for (kind, address, bytes) in segments {
        word(&mut file, kind);
        word(&mut file, READ_WRITE_EXECUTE);
        for value in [
            offset,
            address,
            address,
            bytes.len() as u64,
            bytes.len() as u64,
            4,
        ] {
            long(&mut file, value);
        }
        offset += bytes.len() as u64;
    }
    segments
        .iter()
        .for_each(|(_, _, bytes)| file.extend(*bytes));
    file
}
