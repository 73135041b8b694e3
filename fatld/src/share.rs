//! Phase 8: what is stored once, and the proof that it may be.
//!
//! Read-only atoms without a name have no identity but their content: equal ones fall into one class, whatever slice or
//! object they come from, and a class that every slice has is shared. Named data is shared by name (the clusters), and
//! [`verify`](crate::verify) proves that the slices agree on it.

use std::hash::Hash;

use crate::clusters::Clusters;
use crate::collect::Collections;
use crate::error::Problem;
use crate::functions::Functions;
use crate::gc::{Live, Reference};
use crate::hash::HashMap;
use crate::ids::{ClassId, SectionId, SliceId};
use crate::isa::Expression;
use crate::meaning::{Context, Meaning};
use crate::pair::Pairing;
use crate::program::{Program, SectionKind};
use crate::tails;
use crate::verify::verify;

/// Read-only atoms with the same content.
#[derive(Debug)]
pub struct Class {
    /// They; the first one's bytes are stored.
    pub members: Vec<SectionId>,
    /// Strictest alignment among them.
    pub align: u64,
    /// Every slice has one.
    pub shared: bool,
    /// It is a string that another one ends with, at an offset of that one.
    pub tail_of: Option<(ClassId, u64)>,
}

/// The result: classes, and clusters proved equal.
#[derive(Debug)]
pub struct Sharing {
    /// All classes.
    pub classes: Vec<Class>,
    class_of: Vec<Option<ClassId>>,
}

impl Sharing {
    /// Class of a section, if it is known by its content.
    pub fn class(&self, section: SectionId) -> Option<ClassId> {
        self.class_of[section.at()]
    }
}

/// Content of a read-only atom.
#[derive(PartialEq, Eq, Hash)]
struct Content {
    size: u64,
    bytes: Vec<u8>,
    addresses: Vec<(u64, usize, Meaning)>,
    /// Set for content that depends on its own address, and so equals only itself.
    own: Option<SectionId>,
}

/// Classifies the unnamed and verifies the named.
pub fn share(
    program: &Program<'_>,
    pairing: &Pairing<'_>,
    collections: &Collections<'_>,
    clusters: &Clusters,
    live: &Live,
    functions: &Functions,
) -> Result<Sharing, Vec<Problem>> {
    let class_of = vec![None; program.sections.len()];
    let mut context = Context {
        program,
        pairing,
        collections,
        clusters,
        live,
        functions,
        class_of,
    };
    let mut classes = context.classify();
    tails::find(program, &mut classes);
    let problems: Vec<_> = clusters
        .clusters
        .iter()
        .flat_map(|cluster| verify(&context, cluster))
        .collect();
    if problems.is_empty() {
        Ok(Sharing {
            classes,
            class_of: context.class_of,
        })
    } else {
        Err(problems)
    }
}

impl Context<'_, '_> {
    /// The section is known by its content alone.
    fn is_anonymous(&self, section: SectionId) -> bool {
        let found = &self.program.sections[section.at()];
        self.live.sections[section.at()]
            && found.kind == SectionKind::ReadOnly
            && !found.retained
            && self.collections.of(section).is_none()
            && !self.clusters.is_named(section)
    }

    /// Visits the anonymous sections so that what one refers to comes before it; a reference back into the chain that
    /// is being visited stays one to that section alone.
    fn classify(&mut self) -> Vec<Class> {
        let mut classes: Vec<Class> = Vec::new();
        let mut known: HashMap<Content, ClassId> = HashMap::default();
        let mut entered = vec![false; self.program.sections.len()];
        let mut stack = Vec::new();
        for root in (0..self.program.sections.len()).map(SectionId::next) {
            stack.push(root);
            while let Some(&section) = stack.last() {
                if !self.is_anonymous(section) || self.class_of[section.at()].is_some() {
                    stack.pop();
                    continue;
                }
                if !std::mem::replace(&mut entered[section.at()], true) {
                    let references = self.live.references[section.at()].iter();
                    stack.extend(references.filter_map(|r| match r {
                        Reference::Place { section, .. } => {
                            (!entered[section.at()]).then_some(*section)
                        }
                        _ => None,
                    }));
                    continue;
                }
                stack.pop();
                let content = self.content(section);
                let id = *known.entry(content).or_insert_with(|| {
                    classes.push(Class {
                        members: Vec::new(),
                        align: 1,
                        shared: false,
                        tail_of: None,
                    });
                    ClassId::next(classes.len() - 1)
                });
                let class = &mut classes[id.at()];
                class.members.push(section);
                class.align = class.align.max(self.program.sections[section.at()].align);
                self.class_of[section.at()] = Some(id);
            }
        }
        for class in &mut classes {
            class.members.sort_unstable();
            let has = |slice| {
                class
                    .members
                    .iter()
                    .any(|m| self.program.sections[m.at()].slice == slice)
            };
            class.shared = (0..self.program.slices.len()).map(SliceId::next).all(has);
        }
        classes
    }

    fn content(&self, id: SectionId) -> Content {
        let section = &self.program.sections[id.at()];
        let (mut bytes, mut addresses, mut own) = (section.data.to_vec(), Vec::new(), None);
        for (relocation, reference) in section
            .relocations
            .iter()
            .zip(&self.live.references[id.at()])
        {
            match relocation.rule.expression {
                Expression::Mark | Expression::Align => continue,
                Expression::ABSOLUTE => {}
                _ => own = Some(id),
            }
            let at = relocation.offset as usize;
            let field = relocation.rule.field.at(&bytes[at..]);
            let width = field.map_or(0, |field| field.bytes);
            bytes[at..at + width].fill(0);
            addresses.push((
                relocation.offset,
                width,
                self.meaning(reference, relocation.addend),
            ));
        }
        Content {
            size: section.size,
            bytes,
            addresses,
            own,
        }
    }
}
