//! Objects of one relocation per field, linked by fatld and by the toolchain's lld.

use std::path::PathBuf;
use std::process::{Command, Output};

use goblin::elf::Elf;

use crate::common::Target;

/// What a relocation's value counts from.
#[derive(Clone, Copy, PartialEq)]
pub enum From {
    /// Zero.
    Zero,
    /// Its place.
    Place,
}

/// A relocation and the values that its field takes.
pub struct Row {
    /// Name of the type.
    pub name: &'static str,
    /// What stands in the field before.
    pub blank: &'static str,
    /// What the value counts from.
    pub from: From,
    /// Lowest and highest value.
    pub range: (i64, i64),
    /// Distance of one value to the next.
    pub step: i64,
    /// Values on the other side of the range are refused.
    pub checked: bool,
    /// By lld too.
    pub checked_by_lld: bool,
}

/// A relocation whose field takes values of a range, in steps.
pub const fn row(
    name: &'static str,
    blank: &'static str,
    from: From,
    range: (i64, i64),
    step: i64,
) -> Row {
    Row {
        name,
        blank,
        from,
        range,
        step,
        checked: true,
        checked_by_lld: true,
    }
}

/// A relocation whose field takes the low bits of any value.
pub const fn any(name: &'static str, blank: &'static str, from: From, step: i64) -> Row {
    Row {
        checked: false,
        // Symbols and addends of assemblers end at 63 bits.
        ..row(name, blank, from, (-(1 << 62), (1 << 62) - step), step)
    }
}

/// Bytes of a page, as instructions count in.
const PAGE: i64 = 4096;

/// A relocation of which lld takes the low bits of a value that is too large.
pub const fn stricter(row: Row) -> Row {
    Row {
        checked_by_lld: false,
        ..row
    }
}

/// Inputs of a link by two linkers.
pub struct Bench {
    dir: tempfile::TempDir,
    isa: &'static str,
}

/// Names of the sections of an object, and the labels at their ends.
const SECTIONS: [&str; 3] = [".text", ".data", ".rodata"];

impl Bench {
    /// An empty folder.
    pub fn new(isa: &'static str) -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        Self { dir, isa }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Assembles a source by binutils, of all common instructions, and returns the object.
    pub fn assemble(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let (file, object) = (
            self.path(&format!("{name}.s")),
            self.path(&format!("{name}.o")),
        );
        std::fs::write(&file, source).expect("source written");
        let mut command = Command::new(format!("{}-linux-gnu-as", self.isa));
        if self.isa == "riscv64" {
            command.arg("-march=rv64gc");
        }
        command.args(flags).arg(&file).arg("-o").arg(&object);
        succeed(&mut command);
        object
    }

    /// Links by fatld, quietly, and returns the view.
    pub fn fatld(&self, objects: &[PathBuf], flags: &[&str]) -> Vec<u8> {
        let said = succeed(&mut self.fatld_command(objects, flags));
        assert_eq!(said, "");
        std::fs::read(self.path("fatld.elf")).expect("a view")
    }

    /// What fatld says when it refuses.
    pub fn refusal(&self, objects: &[PathBuf]) -> String {
        let output = self
            .fatld_command(objects, &["--error-limit=0"])
            .output()
            .expect("fatld runs");
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        said(&output)
    }

    fn fatld_command(&self, objects: &[PathBuf], flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fatld"));
        command
            .args(["-e", "begin0", "--slice", self.isa])
            .args(objects)
            .arg("-o")
            .arg(self.path("out.fat"))
            .arg(format!(
                "--view={}={}",
                self.isa,
                self.path("fatld.elf").display()
            ))
            .args(flags);
        command
    }

    /// Runs a program and returns its exit status.
    pub fn run(&self, program: &[u8]) -> Option<i32> {
        let path = self.path("program");
        std::fs::write(&path, program).expect("program written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("mode set");
        Target::of(self.isa).run(&path)
    }

    /// Links by lld so that every section stands where it stands in `like`.
    pub fn lld(&self, objects: &[PathBuf], like: &Elf<'_>, flags: &[&str]) -> Vec<u8> {
        let mut script = "SECTIONS {\n".to_owned();
        let mut behind = 0;
        for (at, section) in SECTIONS.iter().enumerate() {
            let address = address(like, &format!("begin{at}"));
            script += &format!("{section} {address:#x} : {{ *({section}) }}\n");
            behind = behind.max(self::address(like, &format!("end{at}")));
        }
        script += &format!(
            ".got {:#x} : {{ *(.got) }}\n}}\n",
            (behind + 0x2000) & !0xfff
        );
        let mut command = self.lld_command(objects, &script);
        succeed(command.args(flags));
        std::fs::read(self.path("lld.elf")).expect("a program")
    }

    /// What lld says when it refuses.
    pub fn refusal_of_lld(&self, objects: &[PathBuf]) -> String {
        let script =
            "SECTIONS { .text 0x100000000 : { *(.text) } .data : { *(.data) *(.rodata) } }";
        let output = self
            .lld_command(objects, script)
            .output()
            .expect("lld runs");
        said(&output)
    }

    fn lld_command(&self, objects: &[PathBuf], script: &str) -> Command {
        std::fs::write(self.path("script.ld"), script).expect("script written");
        let mut command = Command::new(testsuite::rust_lld());
        command
            .args(["-flavor", "gnu", "-e", "begin0", "--error-limit=0", "-T"])
            .arg(self.path("script.ld"))
            .args(objects)
            .arg("-o")
            .arg(self.path("lld.elf"));
        command
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("the command is installed");
    assert!(output.status.success(), "{command:?}:\n{}", said(&output));
    said(&output)
}

/// Value of a symbol.
pub fn address(elf: &Elf<'_>, name: &str) -> u64 {
    let found = elf
        .syms
        .iter()
        .find(|s| elf.strtab.get_at(s.st_name) == Some(name));
    found.unwrap_or_else(|| panic!("no symbol {name}")).st_value
}

/// Bytes at an address.
pub fn bytes_at<'a>(file: &'a [u8], elf: &Elf<'_>, address: u64, size: u64) -> &'a [u8] {
    let segment = elf.program_headers.iter().find(|p| {
        p.p_type == goblin::elf::program_header::PT_LOAD
            && p.p_vaddr <= address
            && address + size <= p.p_vaddr + p.p_filesz
    });
    let segment = segment.unwrap_or_else(|| panic!("{address:#x} is not in the file"));
    &file[(segment.p_offset + address - segment.p_vaddr) as usize..][..size as usize]
}

/// Source of an object with these sections' bodies.
pub fn source(bodies: [&str; 3]) -> String {
    let flags = ["axR", "awR", "aR"];
    let mut source = String::new();
    for (at, (section, body)) in SECTIONS.iter().zip(bodies).enumerate() {
        source += &format!(
            ".section {section},\"{}\",@progbits\n.globl begin{at}, end{at}\nbegin{at}:\n{body}\n\
             .balign 16\nend{at}:\n",
            flags[at]
        );
    }
    source
}

/// One field per value.
fn fields(rows: &[Row], values: impl Fn(&Row) -> Vec<i64>) -> (String, usize) {
    let (mut body, mut count) = (String::new(), 0);
    for row in rows {
        for value in values(row) {
            let target = match row.from {
                From::Zero => "zero",
                From::Place => "1b",
            };
            body += &format!(
                "1: {}\n.reloc 1b, {}, {target} + ({value})\n",
                row.blank, row.name
            );
            count += 1;
        }
    }
    (body, count)
}

/// Links all fields with values that fit, and compares what both linkers wrote.
pub fn fields_are_written_as_lld_does(isa: &'static str, rows: &[Row], flags: &[&str]) {
    let bench = Bench::new(isa);
    let (body, _) = fields(rows, |row| {
        let (low, high) = row.range;
        let between = [0x1234_5678, -0x1234_5678, 0x3f0, -0x3f0, 0];
        let between = between.map(|value| value / row.step * row.step);
        let between = between.into_iter().filter(|v| (low..=high).contains(v));
        between.chain([low, high]).collect()
    });
    let objects = [
        bench.assemble("fields", &source([&body, ".quad 0", ".quad 0"]), flags),
        bench.assemble("zero", ".globl zero\nzero = 0\n", &[]),
    ];
    same_as_lld(&bench, &objects, &body, &[]);
}

/// Links and compares all sections.
pub fn same_as_lld(bench: &Bench, objects: &[PathBuf], body: &str, flags: &[&str]) {
    let ours = bench.fatld(objects, flags);
    let elf = Elf::parse(&ours).expect("an ELF file");
    let theirs = bench.lld(objects, &elf, flags);
    let other = Elf::parse(&theirs).expect("an ELF file");
    for (at, section) in SECTIONS.iter().enumerate() {
        let begin = address(&elf, &format!("begin{at}"));
        let size = address(&elf, &format!("end{at}")) - begin;
        let (ours, theirs) = (
            bytes_at(&ours, &elf, begin, size),
            bytes_at(&theirs, &other, begin, size),
        );
        let differing = (0..ours.len()).find(|i| ours[*i] != theirs[*i]);
        if let Some(differing) = differing {
            let around = differing & !3..(differing & !3) + 8;
            panic!(
                "{section} + {differing:#x}: fatld {:02x?}, lld {:02x?}\n{body}",
                &ours[around.clone()],
                &theirs[around]
            );
        }
    }
}

/// Links all fields with the values beside their ranges: each is refused, by its name, by both linkers.
pub fn values_beside_ranges_are_refused(isa: &'static str, rows: &[Row], flags: &[&str]) {
    for row in rows.iter().filter(|row| row.checked) {
        let bench = Bench::new(isa);
        let (low, high) = row.range;
        let mut values = vec![high + row.step, low - row.step];
        // Of an address in a page, its page is taken.
        if (2..PAGE).contains(&row.step) {
            values.push(low + 1);
        }
        let (body, count) = fields(std::slice::from_ref(row), |_| values.clone());
        let objects = [
            bench.assemble("fields", &source([&body, ".quad 0", ".quad 0"]), flags),
            bench.assemble("zero", ".globl zero\nzero = 0\n", &[]),
        ];
        let refusal = bench.refusal(&objects);
        let refused = refusal
            .lines()
            .filter(|l| l.starts_with("error:") && l.contains(row.name));
        assert_eq!(refused.count(), count, "{}\n{refusal}", row.name);
        for value in [high + row.step, low - row.step] {
            // An unsigned field sees an address.
            let shown = [value.to_string(), (value as u64).to_string()];
            let shown = shown.map(|value| format!("{value} is not in ["));
            assert!(
                shown.iter().any(|shown| refusal.contains(shown)),
                "{}: {value}\n{refusal}",
                row.name
            );
        }
        if !row.checked_by_lld {
            continue;
        }
        let refusal = bench.refusal_of_lld(&objects);
        let refused = refusal
            .lines()
            .filter(|l| l.contains("error:") && l.contains(row.name));
        // lld does not ask branches for whole instructions.
        assert!(refused.count() >= 2, "lld on {}\n{refusal}", row.name);
    }
}
