//! Who is concerned by a difference: the ways on which it was reached, further roots, types that hold it by value.
//!
//! Invariant: what is listed was reached from a chosen root.

use std::collections::BTreeSet;

use super::{Explain, place};
use crate::model::Shape;
use crate::report::{Finding, Reached};
use crate::walk::{Label, PairId};
use crate::ways::Way;

/// Findings for which all roots are counted; further ones name one root.
const MAX_COUNTED: usize = 256;
/// Steps of a path that are shown.
const MAX_PATH: usize = 64;

impl<'a> Explain<'_, '_, 'a> {
    /// Adds who else is concerned.
    pub(super) fn context(&mut self, id: PairId, finding: &mut Finding) {
        if self.counted >= MAX_COUNTED {
            return;
        }
        self.counted += 1;
        let reaching = self.holders.reaching([id], |_, _| true);
        let roots: BTreeSet<&str> = self
            .roots
            .iter()
            .filter(|root| root.pair.is_some_and(|pair| reaching[pair.0 as usize]))
            .map(|root| self.graph.var(root.a).name.as_ref())
            .collect();
        finding.more_roots = roots.len().saturating_sub(finding.reached.len());
        let holding = self.holders.reaching([id], |_, by_value| by_value);
        let names: BTreeSet<String> = (0..self.walk.pairs.len())
            .filter(|index| holding[*index] && !self.ways[*index].is_empty())
            .map(|index| &self.walk.pairs[index])
            .filter(|pair| !pair.renamed && matches!(self.graph.ty(pair.a).shape, Shape::Record(_)))
            .map(|pair| self.graph.type_name(pair.a))
            .filter(|name| *name != finding.type_name)
            .collect();
        finding.also_affects = names.into_iter().collect();
    }

    /// Shortest ways from roots to a pair.
    pub(super) fn reached(&self, id: PairId, member: Option<&str>) -> Vec<Reached> {
        let ways = &self.ways[id.0 as usize];
        ways.iter().map(|way| self.path(way, member)).collect()
    }

    fn path(&self, way: &Way<'a>, member: Option<&str>) -> Reached {
        let mut steps: Vec<String> = member.map(|name| format!(".{name}")).into_iter().collect();
        let mut at = way;
        while let Some((holder, way, label)) = at.held {
            steps.push(step(label));
            at = &self.ways[holder.0 as usize][way];
        }
        let var = self.graph.var(self.roots[at.root].a);
        let root = var.name.to_string();
        if steps.len() > MAX_PATH {
            steps.truncate(MAX_PATH);
            steps.push(".…".to_owned());
        }
        steps.reverse();
        Reached {
            kind: var.kind,
            path: format!("{root}{}", steps.concat()),
            root,
        }
    }
}

pub(super) fn step(label: Label<'_>) -> String {
    match label {
        Label::Field(None) | Label::Variant(None) | Label::Underlying => String::new(),
        Label::Element => "[]".to_owned(),
        Label::Pointee => ".*".to_owned(),
        label => format!(".{}", place(label)),
    }
}
