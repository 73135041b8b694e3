//! One object together with what other files hold of its debug information: split units, and what `dwz` moved.
//!
//! Files of a side find each other by the ids that compilers and `dwz` write into them, never by their names. What an
//! object needs of another file is numbered on behind its own sections of units, so that one offset still names one
//! entry.
//!
//! Invariants: a unit of another file belongs to an object only if ids say so; a skeleton whose split unit is not among
//! the files stays one.

use std::collections::VecDeque;
use std::sync::OnceLock;

use gimli::constants as dw;
use rustc_hash::FxHashMap;

use crate::elf::{Elf, Half};
use crate::error::Error;
use crate::form::Value;
use crate::headers::{self, Header};
use crate::input::ObjectFile;
use crate::model::DieOffset;
use crate::package::Package;
use crate::supplement::{self, Link};
use crate::unit::{self, UnitReader};

/// The debug sections of one file.
#[derive(Debug)]
pub(crate) struct File<'a> {
    /// What linkers keep.
    own: Elf<'a>,
    /// What is apart from that.
    split: Option<Elf<'a>>,
    /// The file that `dwz` moved parts of it to.
    link: Option<Link<'a>>,
    source: &'a ObjectFile<'a>,
}

impl<'a> File<'a> {
    /// Reads them.
    pub(crate) fn read(object: &'a ObjectFile<'a>) -> Result<File<'a>, Error> {
        let own = Elf::read(object, Half::Own)?;
        let split = match own.has_split {
            true => Some(Elf::read(object, Half::Split)?),
            false => None,
        };
        let link = match own.has_link {
            true => supplement::link(object)?,
            false => None,
        };
        Ok(File {
            own,
            split,
            link,
            source: object,
        })
    }
}

/// Which of an object's files a unit is in; 0 is its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PartId(u32);

/// A unit that says where to find another one, and what that one lacks.
#[derive(Debug)]
pub(crate) struct Skeleton<'a> {
    /// What the other one is called by.
    pub(crate) id: u64,
    /// Base of its indexes in `.debug_addr`.
    pub(crate) addr_base: u64,
    /// Offset of its line table.
    pub(crate) line_table: Option<u64>,
    /// Its directory.
    pub(crate) directory: &'a str,
    /// Where it is itself.
    start: u32,
    is_met: bool,
}

/// One object with what other files hold of it.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    own: &'a Elf<'a>,
    parts: Vec<Elf<'a>>,
    supplement: Option<PartId>,
    is_supplement: bool,
    skeletons: Vec<Skeleton<'a>>,
    signatures: FxHashMap<u64, DieOffset>,
    /// The unit that imports each unit that is no compilation itself.
    importers: OnceLock<FxHashMap<DieOffset, (PartId, u32)>>,
}

/// The objects of a side, each with what the other files have of it.
pub(crate) fn of_side<'a>(files: &'a [File<'a>]) -> Result<Vec<Object<'a>>, Error> {
    let mut objects: Vec<Object<'a>> = files.iter().map(|file| Object::new(&file.own)).collect();
    for (index, file) in files.iter().enumerate() {
        let Some(link) = &file.link else { continue };
        for (other, held) in files.iter().enumerate() {
            if other != index && link.is_met_by(&supplement::ids(held.source)?) {
                objects[index].supply(&held.own)?;
                objects[other].is_supplement = true;
                break;
            }
        }
    }
    let split: Vec<&Elf<'_>> = files
        .iter()
        .filter_map(|file| file.split.as_ref())
        .collect();
    if split.is_empty() {
        return Ok(objects);
    }
    let mut providers = Vec::new();
    for elf in split {
        providers.push(Package::read(elf)?);
    }
    let by_id = provided(&providers)?;
    for object in &mut objects {
        object.find_skeletons()?;
        object.attach(&providers, &by_id)?;
    }
    // Split files by themselves: their types are known, and no address.
    if objects.iter().all(|object| object.skeletons.is_empty()) {
        let mut providers = providers.iter();
        for (object, file) in objects.iter_mut().zip(files) {
            if let Some(package) = file.split.as_ref().and_then(|_| providers.next()) {
                object.attach_all(package)?;
            }
        }
    }
    Ok(objects)
}

/// The first package that has each unit.
fn provided(packages: &[Package<'_>]) -> Result<FxHashMap<u64, usize>, Error> {
    let mut result = FxHashMap::default();
    for (index, package) in packages.iter().enumerate() {
        for id in package.ids()? {
            result.entry(id).or_insert(index);
        }
    }
    Ok(result)
}

impl<'a> Object<'a> {
    /// Whether its code has landing pads, which unwinding leads to.
    pub(crate) fn has_landing_pads(&self) -> bool {
        self.own.has_landing_pads
    }

    fn new(own: &'a Elf<'a>) -> Object<'a> {
        Object {
            own,
            parts: Vec::new(),
            supplement: None,
            is_supplement: false,
            skeletons: Vec::new(),
            signatures: FxHashMap::default(),
            importers: OnceLock::new(),
        }
    }

    /// The object's own sections: addresses are those in it.
    pub(crate) fn own(&self) -> &'a Elf<'a> {
        self.own
    }

    /// The sections that a unit is in.
    pub(crate) fn elf(&'a self, part: PartId) -> &'a Elf<'a> {
        match (part.0 as usize).checked_sub(1) {
            Some(index) => self.parts.get(index).unwrap_or(self.own),
            None => self.own,
        }
    }

    /// The sections that `dwz` moved parts of it to.
    pub(crate) fn supplement(&'a self) -> Option<&'a Elf<'a>> {
        self.supplement.map(|part| self.elf(part))
    }

    /// The skeleton of a split unit, and whether a skeleton has its split unit.
    pub(crate) fn skeleton(&self, index: u32) -> Option<&Skeleton<'a>> {
        self.skeletons.get(index as usize)
    }

    /// Whether the split unit of the skeleton at `start` is here.
    pub(crate) fn is_met(&self, start: u32) -> bool {
        let index = self.skeletons.binary_search_by_key(&start, |of| of.start);
        index.is_ok_and(|index| self.skeletons[index].is_met)
    }

    /// The type of a signature.
    pub(crate) fn signature(&self, signature: u64) -> Option<DieOffset> {
        let own = self.own.headers.signatures.get(&signature);
        own.or_else(|| self.signatures.get(&signature)).copied()
    }

    /// All units, in the order of their numbers.
    pub(crate) fn units(&'a self) -> impl Iterator<Item = (PartId, &'a Header)> {
        let own = if self.is_supplement {
            0
        } else {
            self.own.headers.all.len()
        };
        let own = self.own.headers.all[..own]
            .iter()
            .map(|header| (PartId(0), header));
        let parts = self.parts.iter().zip(1..).flat_map(|(elf, part)| {
            elf.headers
                .all
                .iter()
                .map(move |header| (PartId(part), header))
        });
        own.chain(parts)
    }

    /// The unit that an entry is in.
    pub(crate) fn unit_at(&'a self, offset: DieOffset) -> Option<(PartId, &'a Header)> {
        let parts = &self.parts;
        let part = parts.partition_point(|elf| elf.origin <= u64::from(offset.0));
        let part = PartId(part as u32);
        let elf = self.elf(part);
        let number =
            |header: &Header, at: u32| u64::from(elf.units[header.section].origin) + u64::from(at);
        let headers = &elf.headers.all;
        let after = headers.partition_point(|unit| number(unit, unit.start) <= offset.0.into());
        let header = headers.get(after.checked_sub(1)?)?;
        (u64::from(offset.0) < number(header, header.end)).then_some((part, header))
    }

    /// Number after that of the last byte of units.
    fn end(&self) -> u64 {
        self.parts.last().unwrap_or(self.own).end()
    }

    fn push(&mut self, elf: Elf<'a>) -> PartId {
        for (signature, offset) in &elf.headers.signatures {
            self.signatures.entry(*signature).or_insert(*offset);
        }
        self.parts.push(elf);
        PartId(self.parts.len() as u32)
    }

    fn supply(&mut self, other: &'a Elf<'a>) -> Result<(), Error> {
        let mut view = other.view(self.end());
        for units in &other.units {
            view.keep_units(units.section.view())?;
        }
        view.headers = headers::headers(&view)?;
        self.supplement = Some(self.push(view));
        Ok(())
    }

    fn find_skeletons(&mut self) -> Result<(), Error> {
        let elf = self.own;
        for header in &elf.headers.all {
            if let Some((id, reader, unit)) = unit::skeleton(elf, header)? {
                self.skeletons.push(Skeleton {
                    id,
                    addr_base: reader.addr_base,
                    line_table: unit.line_table,
                    directory: unit.directory,
                    start: unit.start,
                    is_met: false,
                });
            }
        }
        Ok(())
    }

    /// Takes the split units of its skeletons from the packages that have them.
    fn attach(
        &mut self,
        packages: &[Package<'a>],
        by_id: &FxHashMap<u64, usize>,
    ) -> Result<(), Error> {
        let mut waiting: FxHashMap<u64, VecDeque<u32>> = FxHashMap::default();
        for (index, skeleton) in self.skeletons.iter().enumerate() {
            waiting
                .entry(skeleton.id)
                .or_default()
                .push_back(index as u32);
        }
        let mut with_types = vec![false; packages.len()];
        for index in 0..self.skeletons.len() {
            let Skeleton { id, is_met, .. } = self.skeletons[index];
            let Some(package) = by_id.get(&id).filter(|_| !is_met) else {
                continue;
            };
            let is_first = !std::mem::replace(&mut with_types[*package], true);
            let mut view = packages[*package].unit(id, self.end())?;
            let mut ids = unit::split_ids(&view)?.into_iter();
            view.headers.all.retain_mut(|header| {
                let Some(id) = ids.next().flatten() else {
                    return is_first && header.is_type_unit;
                };
                header.skeleton_index = waiting.get_mut(&id).and_then(VecDeque::pop_front);
                header.skeleton_index.is_some()
            });
            for header in &view.headers.all {
                if let Some(index) = header.skeleton_index {
                    self.skeletons[index as usize].is_met = true;
                }
            }
            self.push(view);
            if is_first {
                self.attach_types(&packages[*package])?;
            }
        }
        Ok(())
    }

    fn attach_types(&mut self, package: &Package<'a>) -> Result<(), Error> {
        for row in package.type_rows() {
            let view = package.type_units(row, self.end())?;
            self.push(view);
        }
        Ok(())
    }

    fn attach_all(&mut self, package: &Package<'a>) -> Result<(), Error> {
        for id in package.ids()? {
            let view = package.unit(id, self.end())?;
            self.push(view);
            if !package.is_indexed() {
                return Ok(());
            }
        }
        self.attach_types(package)
    }

    /// The unit that imports the one at `start`, directly or through others, and is a compilation.
    pub(crate) fn importer(&'a self, start: DieOffset) -> Option<(PartId, &'a Header)> {
        let all = self.importers.get_or_init(|| self.imports());
        let (mut part, mut index) = *all.get(&start)?;
        // A chain of imports is as long as there are units, unless it is a cycle.
        for _ in 0..=all.len() {
            let elf = self.elf(part);
            let header = elf.headers.all.get(index as usize)?;
            let origin = elf.units.get(header.section)?.origin;
            let Some(next) = all.get(&DieOffset(origin.saturating_add(header.start))) else {
                return Some((part, header));
            };
            (part, index) = *next;
        }
        None
    }

    /// The first importer of each unit. What cannot be read there is an error when the unit itself is read.
    fn imports(&'a self) -> FxHashMap<DieOffset, (PartId, u32)> {
        let mut result = FxHashMap::default();
        let parts = 0..=self.parts.len() as u32;
        for part in parts.map(PartId) {
            for (index, header) in self.elf(part).headers.all.iter().enumerate() {
                let Ok(reader) = UnitReader::open(self, part, *header) else {
                    continue;
                };
                let _ = self.imports_of(&reader, &mut |start| {
                    result.entry(start).or_insert((part, index as u32));
                });
            }
        }
        result
    }

    /// `dwz` writes what a unit imports before all else in it.
    fn imports_of(
        &'a self,
        reader: &UnitReader<'a>,
        found: &mut dyn FnMut(DieOffset),
    ) -> Result<(), Error> {
        let mut cursor = reader.entries();
        let Some(root) = reader.kind(&mut cursor)? else {
            return Ok(());
        };
        reader.skip(&mut cursor, root)?;
        while root.has_children && !cursor.is_empty() {
            let Some(entry) = reader.kind(&mut cursor)? else {
                break;
            };
            if entry.tag != dw::DW_TAG_imported_unit {
                break;
            }
            for (name, from, to, value) in reader.values(&mut cursor, entry)? {
                if name == dw::DW_AT_import
                    && matches!(value, Value::Reference(_) | Value::ReferenceElsewhere(_))
                    && let Some((part, header)) = self.unit_at(reader.reference(from, to, value)?)
                {
                    let origin = self.elf(part).units[header.section].origin;
                    found(DieOffset(origin.saturating_add(header.start)));
                }
            }
        }
        Ok(())
    }
}
