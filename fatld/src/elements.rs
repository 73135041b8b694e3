//! Function arrays in data: addresses that mean the code for one ISA instead of a gate.
//!
//! In a section of the name [`ARRAYS_SECTION`] the address of a function stands as often as the image has ISAs, in words
//! one behind the other; the word in the place of an ISA gets the address of that ISA's code.

use fat_image::ARRAYS_SECTION;

use crate::elf::belongs_to;
use crate::error::Problem;
use crate::gc::Reference;
use crate::ids::{EntityId, SectionId, SliceId};
use crate::isa::Expression;
use crate::pair::Pairing;
use crate::program::Program;

/// Bytes of an element.
const WORD: u64 = 8;

/// Addresses of functions stand in arrays in a section of this name.
pub fn is_array(section_name: &str) -> bool {
    belongs_to(section_name, ARRAYS_SECTION)
}

/// Makes elements of what would be gates, in a section that holds arrays.
pub fn mark(
    program: &Program<'_>,
    pairing: &Pairing<'_>,
    id: SectionId,
    references: &mut [Reference],
) -> Vec<Problem> {
    let section = &program.sections[id.at()];
    if !is_array(section.name) {
        return Vec::new();
    }
    let mut words: Vec<Word> = references.iter().enumerate().filter_map(word).collect();
    words.sort_by_key(|word| section.relocations[word.at].offset);
    let mut problems = Vec::new();
    let mut rest = words.as_slice();
    while let Some(first) = rest.first() {
        let offset = |word: &Word| section.relocations[word.at].offset;
        let follows = |(place, word): &(usize, &Word)| {
            let rule = section.relocations[word.at].rule;
            word.function == first.function
                && rule.expression == Expression::ABSOLUTE
                && offset(word) == offset(first) + *place as u64 * WORD
        };
        let isas = program.slices.len();
        let count = rest
            .iter()
            .enumerate()
            .take_while(follows)
            .take(isas)
            .count();
        let (array, behind) = rest.split_at(count.max(1));
        if count < isas {
            let name = pairing.entities[first.function.at()].name;
            problems.push(Problem::Malformed {
                place: program.place(id, offset(first)),
                expected: format!(
                    "the address of {name} in {isas} words one behind the other, one for each ISA"
                ),
            });
        }
        for (slice, word) in array.iter().enumerate() {
            references[word.at] = Reference::Element {
                function: word.function,
                slice: SliceId::next(slice),
                adjust: word.adjust,
            };
        }
        rest = behind;
    }
    problems
}

/// A function's address.
struct Word {
    /// Index of its relocation.
    at: usize,
    function: EntityId,
    adjust: i64,
}

fn word((at, reference): (usize, &Reference)) -> Option<Word> {
    match *reference {
        Reference::Gate { function, adjust } => Some(Word {
            at,
            function,
            adjust,
        }),
        _ => None,
    }
}
