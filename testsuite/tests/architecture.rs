//! What ARCHITECTURE.md says must stay absent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use testsuite::workspace;

/// Words that tell one instruction set from another.
const ISA_WORDS: [&str; 7] = [
    "x86_64",
    "riscv64",
    "aarch64",
    "target_arch",
    "EM_X86",
    "EM_RISCV",
    "EM_AARCH64",
];

/// Where they may stand: the file or folder per ISA of each crate, and a text for people.
const ISA_PLACES: [&str; 5] = [
    "fatld/src/isa/",
    "fatcc/src/isa",
    "fatcc/src/tools.rs",
    "fatcc-rt/src/arch/",
    "abi-check/src/machine.rs",
];

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            out.push(path);
        }
    }
}

#[test]
fn no_isa_outside_of_its_room() {
    let mut wrong = Vec::new();
    for name in [
        "fat-image",
        "fat-macros",
        "abi-check",
        "fatld",
        "fatcc",
        "fatcc-rt",
    ] {
        let mut files = Vec::new();
        sources(&workspace().join(name).join("src"), &mut files);
        assert!(!files.is_empty());
        for file in files {
            let shown = file
                .strip_prefix(workspace())
                .expect("inside")
                .display()
                .to_string();
            if ISA_PLACES.iter().any(|place| shown.starts_with(place))
                || shown == "fat-image/src/machine.rs"
                // Texts for people, with examples.
                || shown == "abi-check/src/kinds.rs"
            {
                continue;
            }
            let text = std::fs::read_to_string(&file).expect("UTF-8");
            let code = text
                .lines()
                .take_while(|line| !line.contains("#[cfg(test)]"));
            let code = code.filter(|line| {
                !line.trim_start().starts_with("//") && !line.trim_start().starts_with("mod ")
            });
            for line in code.filter(|line| ISA_WORDS.iter().any(|word| line.contains(word))) {
                wrong.push(format!("{shown}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_depend_on_what_the_map_says() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version=1"])
        .current_dir(workspace())
        .output();
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.expect("cargo runs").stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: Vec<_> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let found: BTreeMap<_, Vec<_>> = packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().into_iter().flatten();
            let normal = dependencies
                .filter(|d| d["kind"].is_null())
                .filter_map(|d| d["name"].as_str());
            (
                package["name"].as_str().expect("a name"),
                normal.filter(|d| ours.contains(d)).collect(),
            )
        })
        .collect();
    let may = BTreeMap::from([
        ("abi-check", vec![]),
        ("cpus", vec!["fatcc-rt"]),
        ("crash", vec!["fatcc-rt"]),
        ("fat-image", vec![]),
        ("fat-macros", vec![]),
        ("fatcc", vec!["fat-image", "fatld"]),
        ("fatcc-rt", vec!["fat-image", "fat-macros"]),
        ("fatld", vec!["abi-check", "fat-image"]),
        ("faults", vec!["fatcc-rt"]),
        ("flip", vec!["fatcc-rt"]),
        ("hello", vec!["fatcc-rt"]),
        ("selfcheck", vec![]),
        ("survive", vec!["fatcc-rt"]),
        ("switch", vec!["fatcc-rt"]),
        ("tasks", vec!["fatcc-rt"]),
        ("tcp", vec!["fatcc-rt"]),
        ("testsuite", vec!["fat-image", "fatcc"]),
        ("together", vec!["fatcc-rt"]),
        ("xtask", vec!["abi-check", "fatcc", "fatld", "testsuite"]),
    ]);
    for (package, dependencies) in found {
        let may = may
            .get(package)
            .unwrap_or_else(|| panic!("{package} is not in the map"));
        assert!(
            dependencies.iter().all(|d| may.contains(d)),
            "{package} depends on {dependencies:?}"
        );
    }
}

#[test]
fn no_dependency_is_patched_or_vendored() {
    let manifest = std::fs::read_to_string(workspace().join("Cargo.toml")).expect("manifest");
    assert!(!manifest.contains("[patch") && !manifest.contains("[replace"));
    let lock = std::fs::read_to_string(workspace().join("Cargo.lock")).expect("lock file");
    for package in lock
        .split("[[package]]")
        .skip(1)
        .filter(|p| !p.contains("source = "))
    {
        let name = package
            .lines()
            .find_map(|line| line.strip_prefix("name = "))
            .expect("a name")
            .trim_matches('"');
        let known = [
            "abi-check",
            "cpus",
            "crash",
            "fat-image",
            "fat-macros",
            "fatcc",
            "fatcc-rt",
            "fatld",
            "faults",
            "flip",
            "hello",
            "selfcheck",
            "survive",
            "switch",
            "tasks",
            "tcp",
            "testsuite",
            "together",
            "xtask",
        ];
        assert!(known.contains(&name), "{name} has no registry as source");
    }
    assert!(lock.contains("name = \"smoltcp\""));
}
