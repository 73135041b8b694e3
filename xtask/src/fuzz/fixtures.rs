//! What is damaged: small inputs that have one of everything, made by the compilers of every ISA.
//!
//! Every fixture links, undamaged, without a word; the run begins by making sure of it.

use std::path::Path;
use std::process::Command;

use super::{system, worker};
use crate::error::Error;

/// What is done with a fixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A link with these arguments.
    Link,
    /// The image, which is the first argument, is shown, and every ISA's file of it made.
    Inspect,
    /// The types in the debug information that the files hold together are compared with themselves.
    Compare,
}

/// Files, what is done with them, and which of them are damaged.
#[derive(Debug)]
pub struct Fixture {
    /// Name in reports.
    pub name: String,
    /// What is done.
    pub work: Work,
    /// Arguments of the command, without `-o`.
    pub arguments: Vec<String>,
    /// The files that are damaged, one at a time.
    pub victims: Vec<String>,
}

impl Fixture {
    fn link(name: &str, arguments: &str, victims: &str) -> Self {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Self {
            name: name.to_owned(),
            work: Work::Link,
            arguments: words(arguments),
            victims: words(victims),
        }
    }
}

/// The response file, which is a text.
pub const RESPONSE: &str = "arguments.rsp";

/// What means something in a response file. No path among them leaves the folder.
pub const RESPONSE_WORDS: &[&str] = &[
    "\"",
    "'",
    "\\",
    "\n",
    "\0",
    "\u{fffd}",
    " @arguments.rsp ",
    " --slice ",
    " --start-group ",
    " --end-group ",
    " --start-lib ",
    " --end-lib ",
    " --defsym=a=b ",
    " --defsym=a=0xffffffffffffffffff ",
    " --image-base=-1 ",
    " --image-base=0xfffffffffffff000 ",
    " -Ttext=1 ",
    " -l ",
    " -u ",
    " = ",
    " -- ",
    " -m ",
    " --threads=0 ",
    " --unknown ",
];

/// An ISA's compiler: code that may stand anywhere, and all that a static link has to understand.
const COMPILERS: [(&str, &str, &str); 3] = [
    ("x86_64", "gcc", "-fpie -fcf-protection=none"),
    (
        "riscv64",
        "riscv64-linux-gnu-gcc",
        "-fno-pic -mcmodel=medany -march=rv64imac -mabi=lp64",
    ),
    (
        "aarch64",
        "aarch64-linux-gnu-gcc",
        "-fno-pic -mcmodel=small -mno-outline-atomics",
    ),
];

const FLAGS: &str = "-c -O1 -ffreestanding -ffunction-sections -fdata-sections -fno-stack-protector \
    -fno-inline -funsigned-char -fasynchronous-unwind-tables";

/// Calls what the others define.
const START: &str = "int answer(void); void _start(void) { answer(); for (;;) { } }\n";

/// What a fat link takes.
const MAIN: &str = r#"
static const char text[] = "text"; const char *volatile strings[] = { "a", "b", text, "a longer text" };
int twice(int x) { return 2 * x; }
static int thrice(int x) { return 3 * x; }
typedef int (*operation)(int);
const operation table[] = { twice, thrice };
struct device { const char *name; operation run; } device = { "thrice", thrice };
int counter = 5; int zeros[10]; int *volatile there = &zeros[3];
int more(int);
int answer(void) { return table[0](zeros[1] + counter) + strings[1][0] + device.run(*there) + more(2); }
"#;

/// A second file, whose debug information is compressed.
const MORE: &str = r#"
static int counter = 7;
int more(int x) {
    switch (x) {
        case 0: return 3; case 1: return counter; case 2: return 11; case 3: return 17; case 4: return 19;
        case 5: return 23; default: return 0;
    }
}
"#;

/// What only a link of one ISA is asked for: thread-local, merged, grouped, ordered, collected and weak things.
const RICH: &str = r#"
__asm__(".pushsection .tdata,\"awT\",%progbits\n.globl local\n.type local,%tls_object\n.size local,4\nlocal: .long 3\n.popsection");
__asm__(".pushsection .tbss,\"awT\",%nobits\n.zero 8\n.popsection");
extern int absent(void) __attribute__((weak));
extern const int __start_numbers[], __stop_numbers[];
__attribute__((section("numbers"), used)) static const int listed = 1;
int common; long far[2] = { (long)&common, (long)far };
__attribute__((constructor)) static void first(void) { common = 4; }
__attribute__((constructor(200))) static void earlier(void) { common = 5; }
__asm__(".pushsection .text.once,\"axG\",%progbits,once,comdat\n.weak once\n.type once,%function\nonce: .quad 0\n.popsection");
__asm__(".pushsection .rodata.once,\"aG\",%progbits,once,comdat\n.quad once\n.popsection");
__asm__(".pushsection .rodata.cst8,\"aM\",%progbits,8\n.quad 1, 2, 1\n.popsection");
__asm__(".pushsection .about,\"ao\",%progbits,.text.rich\n.quad 1\n.popsection");
__asm__(".pushsection .kept,\"aR\",%progbits\n.quad 1\n.popsection");
int once(void);
int rich(int x) {
    return common + (absent ? absent() : 0) + (int)(__stop_numbers - __start_numbers) + once() + x;
}
"#;

/// One of each kind of type, reachable from statics.
const TYPES: &str = r#"
struct inner { char c; long l; _Bool b; _Alignas(32) short aligned; };
enum colour { RED, GREEN = 7, BLUE = -1 };
typedef struct inner alias_of_inner;
typedef int (*operation)(struct inner *, enum colour, ...);
union either { double d; float f[3][2]; _Complex float z; };
struct node {
    struct node *next; const volatile alias_of_inner in[4]; enum colour colour; union either either;
    unsigned low : 3, high : 29; operation run; _Atomic long counter; __int128 wide; struct declared *only;
    struct { int unnamed; union { int left; unsigned right; }; }; int vector __attribute__((vector_size(16)));
    char tail[];
};
struct node *nodes; static struct inner table[9]; union either anything; enum colour favourite;
struct inner *of_table(void) { return &table[favourite]; }
"#;

/// All of them, over the ISAs that have a compiler here.
pub fn all() -> Vec<Fixture> {
    let mut fixtures = Vec::new();
    for (isa, _, _) in COMPILERS {
        let objects = format!("{isa}-start.o {isa}-main.o {isa}-more.o {isa}-rich.o");
        fixtures.push(Fixture::link(
            &format!("{isa} objects"),
            &format!("{objects} --eh-frame-hdr"),
            &objects,
        ));
        fixtures.push(Fixture::link(
            &format!("{isa} collected"),
            &format!("--gc-sections {objects}"),
            &objects,
        ));
    }
    fixtures.push(Fixture::link(
        "archives",
        "x86_64-start.o x86_64-all.a x86_64-thin.a x86_64-all.rlib",
        "x86_64-all.a x86_64-thin.a x86_64-all.rlib x86_64-more.o",
    ));
    fixtures.push(Fixture::link(
        "whole archive",
        "riscv64-start.o --whole-archive riscv64-all.a",
        "riscv64-all.a",
    ));
    let slice = |isa: &str| format!("--slice {isa} {isa}-start.o {isa}-main.o {isa}-more.o");
    let two = format!(
        "{} {} --view x86_64=view",
        slice("x86_64"),
        slice("riscv64")
    );
    let three = [slice("x86_64"), slice("riscv64"), slice("aarch64")].join(" ");
    let victims = |isas: &[&str]| {
        let of = |isa: &&str| format!("{isa}-main.o {isa}-more.o ");
        isas.iter().map(of).collect::<String>()
    };
    fixtures.push(Fixture::link("fat", &two, &victims(&["x86_64", "riscv64"])));
    fixtures.push(Fixture::link(
        "fat, three ISAs",
        &three,
        &victims(&["riscv64", "aarch64"]),
    ));
    fixtures.push(Fixture::link("response", &format!("@{RESPONSE}"), RESPONSE));
    fixtures.push(Fixture {
        work: Work::Inspect,
        ..Fixture::link("image", IMAGE, IMAGE)
    });
    fixtures.extend(DEBUG.map(|(name, files)| Fixture {
        work: Work::Compare,
        ..Fixture::link(name, files, files)
    }));
    fixtures
}

/// Debug information in several files that belong together.
pub const DEBUG: [(&str, &str); 6] = [
    ("types", "x86_64-types.o riscv64-types.o aarch64-types.o"),
    ("type units", "types-units.o"),
    ("split", "types-split.o types-split.dwo"),
    ("package", "types-split.o types.dwp"),
    ("moved by dwz", "types-a types-b types-common"),
    ("stripped", "types-stripped types-debug"),
];

const IMAGE: &str = "sound.fat";

/// Makes the files of all fixtures in a folder, and makes sure of them.
pub fn make_in(folder: &Path) -> Result<(), Error> {
    // Messages and response files name the fixtures as they stand in their folder.
    let back = std::env::current_dir().map_err(system("find the folder"))?;
    std::env::set_current_dir(folder).map_err(system("enter the folder"))?;
    let made = make().and_then(|()| check_sound());
    std::env::set_current_dir(back).map_err(system("leave the folder"))?;
    made
}

/// Every fixture links as it is: otherwise a refusal of its mutants would tell nothing.
fn check_sound() -> Result<(), Error> {
    all().iter().try_for_each(|fixture| {
        let program = format!("the link of the fixture `{}`", fixture.name);
        worker::work(fixture).map_err(|refusal| tool(&program, refusal.to_string()))
    })
}

/// Makes the files of all fixtures in the current folder.
fn make() -> Result<(), Error> {
    for (isa, gcc, flags) in COMPILERS {
        for (name, source, debug) in [
            ("start", START, "-g0"),
            ("main", MAIN, "-g"),
            ("more", MORE, "-g -gz=zlib"),
            ("rich", RICH, "-g -fcommon"),
        ] {
            write(&format!("{name}.c"), source)?;
            let line = format!("{gcc} {flags} {FLAGS} {debug} {name}.c -o {isa}-{name}.o");
            run(&line)?;
        }
        write("lib.rmeta", "metadata of a compiler")?;
        let members = format!("{isa}-main.o {isa}-more.o {isa}-rich.o");
        run(&format!("ar rcs {isa}-all.a {members}"))?;
        run(&format!("ar rcsT {isa}-thin.a {members}"))?;
        run(&format!("ar rcs {isa}-all.rlib lib.rmeta {members}"))?;
    }
    make_debug()?;
    let response = "# objects\nx86_64-start.o 'x86_64-main.o' \"x86_64-more.o\"\n-e _start --gc-sections \
        --defsym=value=0x10 --image-base=0x400000 -u answer\n";
    write(RESPONSE, response.trim_start_matches("# objects\n"))?;
    let image = all().into_iter().find(|fixture| fixture.name == "fat");
    let arguments = image.map(|fixture| fixture.arguments).unwrap_or_default();
    worker::link(&arguments, IMAGE).map_err(|error| tool("fatld", error.to_string()))
}

/// Debug information in all the places where it may be.
fn make_debug() -> Result<(), Error> {
    write("types.c", TYPES)?;
    for (isa, gcc, flags) in COMPILERS {
        run(&format!(
            "{gcc} {flags} {FLAGS} -g types.c -o {isa}-types.o"
        ))?;
    }
    for line in [
        "gcc -c -g -fdebug-types-section types.c -o types-units.o",
        "gcc -c -g -gsplit-dwarf types.c -o types-split.o",
        "llvm-dwp types-split.dwo -o types.dwp",
        "gcc -g -shared -fPIC types.c -o types-a",
        "gcc -g -shared -fPIC types.c more.c -o types-b",
        "objcopy --only-keep-debug types-a types-debug",
        "objcopy --strip-debug --add-gnu-debuglink=types-debug types-a types-stripped",
        "dwz -m types-common types-a types-b",
    ] {
        run(line)?;
    }
    Ok(())
}

fn write(name: &str, text: &str) -> Result<(), Error> {
    std::fs::write(name, text).map_err(|source| Error::System {
        doing: "write a fixture",
        source,
    })
}

fn tool(program: &str, said: String) -> Error {
    let program = program.to_owned();
    Error::Tool { program, said }
}

fn run(line: &str) -> Result<(), Error> {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let output = Command::new(program).args(words).output();
    let output = output.map_err(|source| Error::Start {
        program: program.to_owned(),
        source,
    })?;
    if output.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(tool(line, said))
    }
}
