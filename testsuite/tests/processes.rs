//! The processes of `cargo fat run --user`: whatever becomes of one, none is left behind.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fat_image::machine::LINUX_ENTRY;
use fatcc::error::render;
use fatcc::machine::{Config, End, Machine, Platform};
use testsuite::processes::{of as processes, signal};
use testsuite::workspace;

const LIMIT: Duration = Duration::from_secs(60);

/// A machine whose two CPUs are asleep, and its processes by their ISAs' names.
struct Sleeping {
    machine: Machine,
    image: PathBuf,
}

/// A copy of the image under a name of the test's own, by which its processes are known.
fn image(folder: &Path) -> PathBuf {
    testsuite::processes::image("crash", "forever", folder)
}

impl Sleeping {
    fn start(image: &Path) -> Sleeping {
        let config = Config {
            platform: Platform::User,
            ..Config::new(image)
        };
        let machine = Machine::start(&config, |_| ()).expect("processes");
        for line in ["CPU 0 waits", "CPU 1 waits"] {
            machine.wait_for_line(line, LIMIT).expect("a CPU runs");
        }
        let sleeping = Sleeping {
            machine,
            image: image.to_owned(),
        };
        assert_eq!(processes(&sleeping.image).len(), 2);
        sleeping
    }

    /// The process that an emulator runs, or the other one.
    fn process(&self, emulated: bool) -> String {
        let mut all = processes(&self.image).into_iter();
        let found = all.find(|(_, line)| line.contains("qemu-") == emulated);
        found.expect("a process").0
    }
}

/// One test: all share the name of the image.
#[test]
fn none_is_left_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = image(folder.path());

    for (emulated, cpu) in [(false, "x86_64"), (true, "riscv64")] {
        let sleeping = Sleeping::start(&image);
        signal(&sleeping.process(emulated), "KILL");
        let start = Instant::now();
        let outcome = sleeping.machine.wait(Some(LIMIT));
        assert!(!outcome.timed_out && start.elapsed() < LIMIT / 2);
        let (first, end) = outcome.ends[0];
        assert_eq!(first, cpu);
        assert!(matches!(end, End::Died { ordinal: 0, .. }), "{outcome}");
        assert!(outcome.to_string().contains("SIGKILL"), "{outcome}");
        assert_eq!(outcome.ends[1].1, End::Killed);
        assert_eq!(outcome.code(), 1);
        assert_eq!(processes(&image), []);
    }

    let sleeping = Sleeping::start(&image);
    let outcome = sleeping.machine.wait(Some(Duration::from_millis(50)));
    assert!(outcome.timed_out && !outcome.success());
    assert_eq!(processes(&image), []);

    let sleeping = Sleeping::start(&image);
    let stopper = sleeping.machine.stopper();
    let stopping = std::thread::spawn(move || stopper.stop());
    sleeping.machine.wait(None);
    stopping.join().expect("stopped");
    assert_eq!(processes(&image), []);

    drop(Sleeping::start(&image).machine);
    assert_eq!(processes(&image), []);
}

#[test]
fn what_is_typed_reaches_the_task_that_reads_at_that_console() {
    let folder = tempfile::tempdir().expect("a folder");
    let Sleeping { machine, .. } = Sleeping::start(&image(folder.path()));
    let keyboard = machine.keyboard();
    for (typed, shown) in [
        ("riscv64: hello", "[riscv64] typed: hello"),
        ("x86_64: hello there", "[x86_64] typed: hello there"),
        ("first", "[x86_64] typed: first"),
        ("nobody: first", "[x86_64] typed: nobody: first"),
    ] {
        keyboard.type_line(typed).expect("the console is open");
        machine.wait_for_line(shown, LIMIT).expect("it was read");
    }
}

#[test]
fn an_image_without_an_entry_for_processes_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = image(folder.path());
    let mut bytes = std::fs::read(&image).expect("the image");
    let name = LINUX_ENTRY.as_bytes();
    let places: Vec<usize> = (0..bytes.len() - name.len())
        .filter(|at| bytes[*at..].starts_with(name))
        .collect();
    assert!(places.len() >= 2, "a name for each ISA");
    places.iter().for_each(|at| bytes[*at] = b'x');
    std::fs::write(&image, bytes).expect("the changed image");
    let config = Config {
        platform: Platform::User,
        ..Config::new(&image)
    };
    let Err(error) = Machine::start(&config, |_| ()) else {
        panic!("it started");
    };
    let shown = render(&error);
    let words = "crash-copy.fat cannot be run as Linux processes: it has no function `__fat_linux_start` for x86_64";
    assert!(shown.contains(words), "{shown}");
}

/// A folder with the programs of this computer, but for emulators.
fn programs_without_emulators(folder: &Path) {
    let path = std::env::var_os("PATH").expect("PATH");
    for program in std::env::split_paths(&path).flat_map(std::fs::read_dir) {
        for program in program.flatten() {
            let name = program.file_name();
            if !name.to_string_lossy().starts_with("qemu-") {
                // The first one of a name is there already.
                let _ = std::os::unix::fs::symlink(program.path(), folder.join(name));
            }
        }
    }
}

#[test]
fn a_missing_emulator_comes_with_what_installs_it() {
    let folder = tempfile::tempdir().expect("a folder");
    programs_without_emulators(folder.path());
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["fat", "run", "--user", "--release", "-p", "hello"])
        .env("PATH", folder.path())
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    let words = "qemu-riscv64 is not installed (apt-get install qemu-user)";
    assert!(said.contains(words), "{said}");
}
