//! What a page table needs to know of the output sections.

use fat_image::{ALL_ISAS, PAGE_SIZE, Region};

use super::OutputSection;
use crate::error::Problem;

/// One region per run of sections with one permission and owner.
pub(super) fn regions(sections: &[OutputSection]) -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::new();
    for section in sections.iter().filter(|s| s.size > 0) {
        let isa = section
            .slice
            .filter(|_| !section.is_note)
            .map_or(ALL_ISAS, |s| s.0);
        let start = section.phys & !(PAGE_SIZE - 1);
        let end = (section.phys + section.size).next_multiple_of(PAGE_SIZE);
        match regions.last_mut() {
            Some(last)
                if last.isa == isa
                    && last.flags == section.flags
                    && (last.phys..=last.phys + last.size).contains(&start)
                    && section.flags & (Region::GATES | Region::BOOT) == 0 =>
            {
                last.size = end - last.phys;
            }
            _ => regions.push(Region {
                start: section.address & !(PAGE_SIZE - 1),
                size: end - start,
                phys: start,
                isa,
                flags: section.flags,
            }),
        }
    }
    regions
}

/// No two sections may have one place.
pub(super) fn check_overlap(sections: &[OutputSection], problems: &mut Vec<Problem>) {
    let sections = sections.iter().filter(|s| s.size > 0);
    let mut places: Vec<_> = sections
        .map(|s| (s.phys, s.phys + s.size, &s.name))
        .collect();
    places.sort();
    for pair in places.windows(2) {
        if pair[0].1 > pair[1].0 {
            problems.push(Problem::Usage(format!(
                "section {} at {:#x}..{:#x} overlaps {} at {:#x}",
                pair[0].2, pair[0].0, pair[0].1, pair[1].2, pair[1].0
            )));
        }
    }
}
