//! Each view against what lld links from the same slice: the same functions and data with the same sizes, and the same
//! bytes wherever lld has not put an address.

use std::collections::{BTreeMap, HashSet};
use std::process::Command;

use goblin::elf::header::EM_X86_64;
use goblin::elf::reloc::R_X86_64_GOTPCREL;
use goblin::elf::sym::{STT_FUNC, STT_OBJECT};
use goblin::elf::{Elf, Reloc};
use testsuite::{built, images, read, rust_lld, slice_inputs, workspace};

/// Links a slice by rustup's `rust-lld`, relocations kept.
fn by_lld(isa: &str) -> Vec<u8> {
    let lld = rust_lld();
    let folder = workspace().join("target/fat/lld");
    std::fs::create_dir_all(&folder).expect("folder");
    let out = folder.join(format!("tcp.{isa}.elf"));
    let flags = [
        "-flavor",
        "gnu",
        "-static",
        "--gc-sections",
        "--emit-relocs",
        "--no-relax",
        "-e",
        "_start",
    ];
    let mut command = Command::new(&lld);
    command.args(flags).args([
        "--image-base=0x100000000",
        "--defsym=__fat_image=0x100000000",
        "-o",
    ]);
    let output = command.arg(&out).args(slice_inputs("tcp", isa)).output();
    let output = output.unwrap_or_else(|e| panic!("{} is needed: {e}", lld.display()));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    read(&out)
}

/// A function or datum of a file.
struct Entity<'a> {
    bytes: &'a [u8],
    size: u64,
    address: u64,
}

fn entities<'a>(elf: &Elf<'a>, file: &'a [u8]) -> BTreeMap<(&'a str, u8), Vec<Entity<'a>>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for symbol in elf
        .syms
        .iter()
        .filter(|s| matches!(s.st_type(), STT_FUNC | STT_OBJECT) && s.st_size > 0)
    {
        let name = elf.strtab.get_at(symbol.st_name).unwrap_or_default();
        if name.starts_with(".L") || name.starts_with("__gate.") {
            continue;
        }
        let address = symbol.st_value;
        let section = elf
            .section_headers
            .iter()
            .find(|s| s.is_alloc() && s.vm_range().contains(&(address as usize)));
        let section = section.unwrap_or_else(|| panic!("{name} is in no section"));
        let bytes = section.file_range().map_or(&[][..], |range| {
            let start = range.start + (address - section.sh_addr) as usize;
            &file[start..start + symbol.st_size as usize]
        });
        let entity = Entity {
            bytes,
            size: symbol.st_size,
            address,
        };
        found
            .entry((name, symbol.st_type()))
            .or_default()
            .push(entity);
    }
    found
}

/// Addresses of bytes that relocations wrote.
fn relocated(elf: &Elf<'_>) -> HashSet<u64> {
    let all = elf
        .shdr_relocs
        .iter()
        .flat_map(|(_, relocations)| relocations.iter());
    let bytes = |r: Reloc| {
        // lld is told to relax nothing; where fatld needs no GOT, it rewrites opcode and ModRM of the load or call too.
        let rewritten = match (elf.header.e_machine, r.r_type) {
            (EM_X86_64, R_X86_64_GOTPCREL) => 2,
            _ => 0,
        };
        // The widest field, a call of two riscv64 instructions or an address, has 8 bytes.
        r.r_offset - rewritten..r.r_offset + 8
    };
    all.flat_map(bytes).collect()
}

fn compare(isa: &str) {
    built("tcp");
    let ours = read(&images().join(format!("tcp.{isa}.elf")));
    let theirs = by_lld(isa);
    let (our_elf, their_elf) = (
        Elf::parse(&ours).expect("a view"),
        Elf::parse(&theirs).expect("lld's output"),
    );
    let (our_entities, their_entities) = (entities(&our_elf, &ours), entities(&their_elf, &theirs));
    let relocated = relocated(&their_elf);
    let (mut compared, mut bytes) = (0, 0);
    for ((name, kind), theirs) in &their_entities {
        let ours = our_entities.get(&(*name, *kind));
        let ours =
            ours.unwrap_or_else(|| panic!("{isa}: lld keeps {name}, the view does not have it"));
        for their in theirs {
            let same = |our: &&Entity<'_>| {
                let pairs = our.bytes.iter().zip(their.bytes).enumerate();
                let mut fixed =
                    pairs.filter(|(at, _)| !relocated.contains(&(their.address + *at as u64)));
                our.size == their.size && fixed.all(|(_, (a, b))| a == b)
            };
            assert!(
                ours.iter().any(|our| same(&our)),
                "{isa}: {name} is not what lld made of it"
            );
            compared += 1;
            bytes += their.bytes.len();
        }
    }
    println!("{isa}: {compared} functions and data, {bytes} bytes, as lld links them");
    assert!(compared > 500, "{isa}: only {compared} compared");
}

#[test]
fn x86_64_is_as_lld_links_it() {
    compare("x86_64");
}

#[test]
fn riscv64_is_as_lld_links_it() {
    compare("riscv64");
}
