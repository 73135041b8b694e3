//! Debug information of gcc, taken apart and written again by gimli, with one attribute changed: each change that says
//! something about a layout must be reported, and each other one must not.

mod support;

use abi_check::{CodePointers, Report, Selection, Verdict, compare_selected};
use gimli::write::{Address, AttributeValue, Dwarf, EndianVec, Sections, UnitEntryId, UnitId};
use gimli::{DwAt, DwTag, EndianSlice, LittleEndian, constants as dw};
use object::write::Object as Written;
use object::{Architecture, BinaryFormat, Endianness, Object, ObjectSection, SectionKind};
use support::{Scratch, cc, sides};

const SOURCE: &str = "
    enum color { RED, GREEN = 7, BLUE = 300 };
    typedef struct { unsigned short port; unsigned char address[4]; } peer;
    struct bits { unsigned a : 3; int b : 11; unsigned long long c : 40; };
    union either { char text[12]; double number; _Bool flag; };
    struct other { long double d; signed char z; };
    struct ring {
        volatile unsigned head, tail;
        enum color color;
        peer from[3][2];
        struct bits bits;
        union either either;
        struct { char inner; float depth; };
        _Alignas(64) unsigned long stamp;
        struct ring *next;
        const peer *last;
        int (*full)(struct ring *, const char *, unsigned char);
        void *owner;
        short tail_of[];
    };
    struct ring *ring; struct other other;
    static int sum(struct ring *r, int n) { int total = n; return total + r->from[1][1].port; }
    int entry(void) { return sum(ring, 2); }";

/// What a changed attribute must lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// An error.
    Mismatch,
    /// A finding, or something unproved: a type has another name, or none.
    NotEqual,
    /// Nothing.
    Nothing,
}

/// What an attribute of an entry says, by DWARF 5; `parent` is the entry around it.
fn expected(tag: DwTag, parent: DwTag, name: DwAt) -> Expected {
    let in_function = matches!(parent, dw::DW_TAG_subprogram | dw::DW_TAG_lexical_block);
    match (tag, name) {
        // Of code, and of what is called what.
        (dw::DW_TAG_compile_unit | dw::DW_TAG_subprogram | dw::DW_TAG_variable, _) => {
            Expected::Nothing
        }
        (dw::DW_TAG_formal_parameter, _) if in_function => Expected::Nothing,
        (_, dw::DW_AT_decl_file | dw::DW_AT_decl_line | dw::DW_AT_decl_column) => Expected::Nothing,
        (_, dw::DW_AT_sibling | dw::DW_AT_prototyped) => Expected::Nothing,
        // What the integer type of an enumeration says already.
        (dw::DW_TAG_enumeration_type, dw::DW_AT_encoding) => Expected::Nothing,
        // What the member's place and the alignment of its structure say already.
        (dw::DW_TAG_member, dw::DW_AT_alignment) => Expected::Nothing,
        // The type of an index.
        (dw::DW_TAG_subrange_type, dw::DW_AT_type) => Expected::Nothing,
        (dw::DW_TAG_member | dw::DW_TAG_enumerator, _) => Expected::Mismatch,
        // A name for what has no other one stands for that.
        (_, dw::DW_AT_name | dw::DW_AT_declaration) => Expected::NotEqual,
        _ => Expected::Mismatch,
    }
}

/// An entry, and the tag of that around it.
type Entry = (UnitId, UnitEntryId, DwTag, DwTag);

fn read(file: &object::File<'_>) -> Dwarf {
    let load = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let section = file.section_by_name(id.name());
        let bytes = section.map_or(&[][..], |section| {
            section.data().expect("it is not compressed")
        });
        Ok(EndianSlice::new(bytes, LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load).expect("gcc's sections");
    Dwarf::from(&dwarf, &|address| Some(Address::Constant(address))).expect("gimli converts it")
}

fn write(mut dwarf: Dwarf) -> Vec<u8> {
    let mut sections = Sections::new(EndianVec::new(LittleEndian));
    dwarf.write(&mut sections).expect("gimli writes it");
    let mut out = Written::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let mut add = |id: gimli::SectionId, bytes: &EndianVec<LittleEndian>| {
        let name = id.name().as_bytes().to_vec();
        let section = out.add_section(Vec::new(), name, SectionKind::Debug);
        out.append_section_data(section, bytes.slice(), 1);
        Ok::<(), gimli::write::Error>(())
    };
    sections.for_each(&mut add).expect("nothing fails here");
    out.write().expect("object writes it")
}

/// All entries. Their ids are good for this one copy only; their order is that of all.
fn entries(dwarf: &Dwarf) -> Vec<Entry> {
    let mut result = Vec::new();
    for index in 0..dwarf.units.count() {
        let id = dwarf.units.id(index);
        let unit = dwarf.units.get(id);
        let mut todo = vec![(unit.root(), dw::DW_TAG_null)];
        while let Some((entry, parent)) = todo.pop() {
            let tag = unit.get(entry).tag();
            todo.extend(unit.get(entry).children().map(|child| (*child, tag)));
            result.push((id, entry, tag, parent));
        }
    }
    result
}

/// Gives an attribute another value; false if there is none to give.
fn change(dwarf: &mut Dwarf, (id, entry, ..): Entry, name: DwAt) -> bool {
    let unit = dwarf.units.get(id);
    let root = unit.get(unit.root());
    let is_other = |entry: &&UnitEntryId| {
        let entry = unit.get(**entry);
        entry.tag() == dw::DW_TAG_structure_type
            && entry.get(dw::DW_AT_byte_size) == Some(&AttributeValue::Udata(32))
    };
    let other = root.children().find(is_other).copied();
    let value = unit.get(entry).get(name).expect("it is there");
    let changed = match value {
        AttributeValue::Udata(number) if name == dw::DW_AT_alignment => {
            AttributeValue::Udata(number / 2)
        }
        AttributeValue::Udata(number) => AttributeValue::Udata(number + 1),
        AttributeValue::Sdata(number) => AttributeValue::Sdata(number + 1),
        AttributeValue::Data1(number) => AttributeValue::Data1(number ^ 1),
        AttributeValue::Data2(number) => AttributeValue::Data2(number + 1),
        AttributeValue::Data4(number) => AttributeValue::Data4(number + 1),
        AttributeValue::ImplicitConst(number) => AttributeValue::ImplicitConst(number + 1),
        AttributeValue::Encoding(encoding) => AttributeValue::Encoding(match *encoding {
            dw::DW_ATE_signed => dw::DW_ATE_unsigned,
            _ => dw::DW_ATE_signed,
        }),
        AttributeValue::Flag(set) => AttributeValue::Flag(!set),
        AttributeValue::FlagPresent => AttributeValue::Flag(false),
        AttributeValue::String(_)
        | AttributeValue::StringRef(_)
        | AttributeValue::LineStringRef(_) => AttributeValue::String(b"changed".to_vec()),
        AttributeValue::UnitRef(old) => {
            let other = other.expect("the source has a structure of 32 bytes");
            if *old == other || entry == other {
                return false;
            }
            AttributeValue::UnitRef(other)
        }
        _ => return false,
    };
    let unit = dwarf.units.get_mut(id);
    unit.get_mut(entry).set(name, changed);
    true
}

fn judge(a: &[u8], b: &[u8]) -> Report {
    let selection = Selection {
        statics: &|_| false,
        types: Some(&|ty| !ty.is_alias),
        code_pointers: CodePointers::Allowed,
        lints: &[],
        progress: None,
    };
    compare_selected(&sides(&[a, b]), selection).expect("both can be read")
}

#[test]
fn every_attribute_of_a_layout_that_changes_is_reported_and_no_other_one() {
    let scratch = Scratch::new("mutation");
    let flags = [
        "-shared",
        "-nostdlib",
        "-fPIC",
        "-gdwarf-5",
        "-o",
        "linked.so",
    ];
    // Without relocations, which gimli does not read.
    let linked = {
        let object = cc("gcc", &scratch, "a", SOURCE, &["-fPIC", "-gdwarf-5"]);
        assert!(!object.is_empty());
        let status = std::process::Command::new("gcc")
            .args(flags)
            .arg("a.o")
            .current_dir(scratch.path())
            .status();
        assert!(status.expect("gcc runs").success());
        std::fs::read(scratch.path().join("linked.so")).expect("gcc wrote it")
    };
    let file = object::File::parse(&*linked).expect("an ELF file");
    let original = write(read(&file));
    let same = judge(&linked, &original);
    assert_eq!(same.verdict(), judge(&linked, &linked).verdict(), "{same}");
    assert!(same.findings.is_empty(), "{same}");
    let unproved = same.unproved;

    let (mut wrong, mut counted) = (Vec::new(), [0; 3]);
    let all = read(&file);
    let attributes =
        entries(&all)
            .into_iter()
            .enumerate()
            .flat_map(|(index, (unit, entry, ..))| {
                let attributes = all.units.get(unit).get(entry).attrs();
                attributes.map(move |attribute| (index, attribute.name()))
            });
    for (index, name) in attributes {
        let mut dwarf = read(&file);
        let entry = entries(&dwarf)[index];
        if !change(&mut dwarf, entry, name) {
            continue;
        }
        let report = judge(&original, &write(dwarf));
        let (.., tag, parent) = entry;
        let expected = expected(tag, parent, name);
        let is_right = match expected {
            Expected::Mismatch => report.verdict() == Verdict::Mismatch,
            Expected::NotEqual => !report.findings.is_empty() || report.unproved != unproved,
            Expected::Nothing => report.findings.is_empty() && report.unproved == unproved,
        };
        counted[expected as usize] += 1;
        if !is_right {
            wrong.push(format!("{tag} {name}: expected {expected:?}\n{report}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {counted:?}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(counted.iter().all(|count| *count > 10), "{counted:?}");
}
