//! The Linux processes that an image runs as, seen from outside.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Number and command line of every process that was started from an image.
pub fn of(image: &Path) -> Vec<(String, String)> {
    let folders = std::fs::read_dir("/proc").expect("/proc").flatten();
    let all = folders.filter_map(|folder| {
        let line = std::fs::read(folder.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        Some((folder.file_name().into_string().ok()?, line))
    });
    let image = image.display().to_string();
    all.filter(|(_, line)| line.contains(&image)).collect()
}

/// The process that is the CPU at that place of the ISA with that number in the image.
pub fn of_cpu(image: &Path, isa: usize, ordinal: usize) -> String {
    let arguments = format!(" {isa} {ordinal} ");
    let mut all = of(image).into_iter();
    let found = all.find(|(_, line)| line.ends_with(&arguments));
    found.expect("a process").0
}

/// Sends a signal, by its name, to a process.
pub fn signal(process: &str, name: &str) {
    let status = Command::new("kill").args(["-s", name, process]).status();
    assert!(status.expect("kill runs").success());
}

/// Builds a package with these features, and copies its image to `folder`, where its processes are known by its name.
pub fn image(package: &str, features: &str, folder: &Path) -> PathBuf {
    // Images of one package with different features have one name.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _copied = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let output = crate::fat_build(&["-p", package, "--features", features]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| crate::workspace().join("target"), PathBuf::from);
    let copy = folder.join(format!("{package}-copy.fat"));
    std::fs::copy(target.join(format!("fat/release/{package}.fat")), &copy).expect("the image");
    copy.canonicalize().expect("the copy")
}
