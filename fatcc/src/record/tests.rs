//! The link lines that rustc 1.95 was seen to write, and what must not pass.

use super::*;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn unit(crate_name: &str) -> Unit {
    Unit {
        package: crate_name.to_owned(),
        version: "1.0.0".to_owned(),
        crate_name: crate_name.to_owned(),
        features: vec!["alloc".to_owned()],
        panic: "abort".to_owned(),
        opt_level: "3".to_owned(),
        debug_assertions: false,
        edition: "2024".to_owned(),
        rustc: "rustc 1.95.0".to_owned(),
    }
}

#[test]
fn link_lines_of_rustc_give_their_inputs_in_order() {
    let x86_64 = "-flavor gnu /t/symbols.o /t/p.cgu.0.rcgu.o --as-needed -Bstatic /t/liballoc-1.rlib /t/libcore-1.rlib \
        -L /t/raw-dylibs -Bdynamic --eh-frame-hdr -z noexecstack -o /t/p-1 --gc-sections -pie -z relro -z now -O1";
    let riscv64 = "-flavor gnu /t/symbols.o /t/p.cgu.0.rcgu.o --as-needed -Bstatic /t/liballoc-1.rlib \
        /t/libcore-1.rlib -L /t/raw-dylibs -Bdynamic -z noexecstack -o /t/p-1 -O1";
    for line in [x86_64, riscv64] {
        let line = parse(&words(line)).unwrap();
        assert_eq!(line.output, Path::new("/t/p-1"));
        let inputs = [
            "/t/symbols.o",
            "/t/p.cgu.0.rcgu.o",
            "/t/liballoc-1.rlib",
            "/t/libcore-1.rlib",
        ];
        assert_eq!(line.inputs, inputs.map(PathBuf::from));
    }
}

#[test]
fn flags_of_unknown_meaning_are_refused() {
    for (line, flag) in [
        ("-o a --icf=all", "--icf=all"),
        ("-o a -z separate-code", "-z separate-code"),
        ("-o a --wrap=f", "--wrap=f"),
    ] {
        match parse(&words(line)) {
            Err(Error::LinkFlag { flag: refused }) => assert_eq!(refused, flag),
            other => panic!("{line}: {other:?}"),
        }
    }
    for line in [
        "-o a -lm",
        "-o a -Tlink.ld",
        "-o a --strip-debug",
        "-shared -o a",
    ] {
        assert!(
            matches!(parse(&words(line)), Err(Error::LinkFlagRefused { .. })),
            "{line}"
        );
    }
}

#[test]
fn incomplete_link_lines_are_refused() {
    assert!(matches!(parse(&words("a.o")), Err(Error::LinkOutput)));
    assert!(matches!(
        parse(&words("a.o -o")),
        Err(Error::LinkFlagArgument { .. })
    ));
    assert!(matches!(
        parse(&words("-o a -z")),
        Err(Error::LinkFlagArgument { .. })
    ));
}

#[test]
fn response_files_are_taken_apart_as_rustc_escapes_them() {
    assert_eq!(
        response_words(b"-o\n/t/a\\ b\n/t/c\\\\d\n"),
        ["-o", "/t/a b", "/t/c\\d"]
    );
}

#[test]
fn objects_are_kept_and_rlibs_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("p.o"), "object").unwrap();
    fs::write(path("libcore-1.rlib"), "rlib").unwrap();
    files::write_json(&path("core-1.fat.json"), &unit("core")).unwrap();
    files::write_json(&path("p-1.fat.json"), &unit("p")).unwrap();
    let arguments = [
        path("p.o"),
        path("libcore-1.rlib"),
        "-o".into(),
        path("p-1"),
    ]
    .map(PathBuf::into_os_string);

    for _ in 0..2 {
        run(&arguments).unwrap();
    }
    fs::remove_file(path("p.o")).unwrap();

    let record: Record = files::read_json(&path("p-1")).unwrap();
    assert_eq!(fs::read(&record.inputs[0]).unwrap(), b"object");
    assert_eq!(record.inputs[1], path("libcore-1.rlib"));
    assert_eq!(record.units, [unit("p"), unit("core")]);
}

#[test]
fn an_rlib_of_unknown_making_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("libcore-1.rlib"), "rlib").unwrap();
    let arguments = [path("libcore-1.rlib"), "-o".into(), path("p-1")].map(PathBuf::into_os_string);
    assert!(matches!(run(&arguments), Err(Error::UnknownRlib { .. })));
}

#[test]
fn slices_must_be_compiled_alike() {
    let slice = |units: Vec<Unit>| Record {
        inputs: vec![],
        units,
    };
    let first = slice(vec![unit("core"), unit("tcp"), unit("x86_64")]);
    let alike = slice(vec![unit("core"), unit("tcp"), unit("riscv")]);
    compare(&[("x86_64", &first), ("riscv64", &alike)]).unwrap();

    let other = slice(vec![
        unit("core"),
        Unit {
            features: vec![],
            ..unit("tcp")
        },
    ]);
    match compare(&[("x86_64", &first), ("riscv64", &other)]) {
        Err(Error::Different {
            crate_name,
            what,
            first,
            other,
            ..
        }) => {
            assert_eq!(
                (crate_name.as_str(), what, first.as_str(), other.as_str()),
                ("tcp", "features", "alloc", "")
            );
        }
        result => panic!("{result:?}"),
    }
}
