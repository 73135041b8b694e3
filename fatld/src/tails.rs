//! Strings that end other strings: `"file"` is stored in `"no such file"`.
//!
//! Strings are sorted by their bytes read from the end, so that a string comes right before those that end with it. A
//! string that every slice has only goes into one that every slice has.

use crate::ids::ClassId;
use crate::program::Program;
use crate::share::Class;

/// Finds a home for every string that is the end of another.
pub fn find(program: &Program<'_>, classes: &mut [Class]) {
    let bytes = |class: &Class| {
        let section = &program.sections[class.members[0].at()];
        section.is_string.then_some(section.data)
    };
    let mut strings: Vec<(&[u8], ClassId)> = classes
        .iter()
        .enumerate()
        .filter_map(|(at, class)| Some((bytes(class)?, ClassId::next(at))))
        .collect();
    // The longest of those with one end comes last, so the walk goes backwards with the host at hand.
    strings.sort_unstable_by(|(a, i), (b, j)| a.iter().rev().cmp(b.iter().rev()).then(i.cmp(j)));
    let mut hosts: Vec<(&[u8], ClassId)> = Vec::new();
    for (string, id) in strings.into_iter().rev() {
        hosts.retain(|(host, _)| host.ends_with(string));
        let class = &classes[id.at()];
        let fits = |(host, at): &(&[u8], ClassId)| {
            let host_class = &classes[at.at()];
            let offset = (host.len() - string.len()) as u64;
            offset.is_multiple_of(class.align)
                && class.align <= host_class.align
                && (host_class.shared
                    || !class.shared && is_of_one_slice(program, class, host_class))
        };
        let home = hosts.iter().find(|host| fits(host)).copied();
        match home {
            Some((host, at)) => {
                classes[id.at()].tail_of = Some((at, (host.len() - string.len()) as u64));
            }
            None => hosts.push((string, id)),
        }
    }
}

fn is_of_one_slice(program: &Program<'_>, a: &Class, b: &Class) -> bool {
    let slice = |class: &Class| program.sections[class.members[0].at()].slice;
    slice(a) == slice(b)
}
