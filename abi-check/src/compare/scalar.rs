//! What differs between two base types: encoding, order of bytes, format of floating point.

use super::{Two, bytes};
use crate::model::{Shape, TypeId};
use crate::report::Kind;
use crate::walk::{Diff, Outcome, Walk};

impl<'a> Walk<'_, 'a> {
    pub(super) fn compare_bases(&mut self, out: &mut Outcome<'a>, ids: Two<TypeId>) {
        let graph = self.graph;
        let facts = ids.map(|id| {
            let ty = graph.ty(id);
            let unit = graph.unit_of(id);
            let machine = graph.elf(unit).machine;
            let name = ty.name.unwrap_or("");
            let encoding = match ty.shape {
                Shape::Base { encoding, .. } => encoding,
                _ => gimli::DwAte(0),
            };
            let complex = encoding == gimli::DW_ATE_complex_float;
            let part = ty.size.map(|size| if complex { size / 2 } else { size });
            let name = name.strip_prefix("complex ").unwrap_or(name);
            let format = (complex || encoding == gimli::DW_ATE_float)
                .then(|| machine.float_format(name, part.unwrap_or(0), unit.producer))
                .flatten();
            (ty.size, encoding, format)
        });
        let [(size, encoding, format), (size_b, encoding_b, format_b)] = facts;
        // Where both follow the CPU, the sides as a whole say it.
        let orders = ids.map(|id| graph.byte_order(id));
        let explicit = ids.map(|id| !graph.has_byte_order(id));
        if encoding != encoding_b {
            let text = [(encoding, size), (encoding_b, size_b)]
                .map(|(encoding, size)| format!("{}, {}", encoding_name(encoding), bytes(size)));
            out.diffs.push(Diff::new(Kind::BaseEncoding, text));
        } else if explicit.contains(&true) && orders[0] != orders[1] && size != Some(1) {
            let text = orders.map(|order| match order {
                gimli::DW_END_big => "big-endian".to_owned(),
                gimli::DW_END_little => "little-endian".to_owned(),
                _ => "an order of bytes of its own".to_owned(),
            });
            out.diffs.push(Diff::new(Kind::ByteOrder, text));
        } else if let (Some(format), Some(format_b)) = (format, format_b)
            && format != format_b
        {
            let text = [(format, size), (format_b, size_b)]
                .map(|(format, size)| format!("{}, {}", format.name(), bytes(size)));
            out.diffs.push(Diff::new(Kind::FloatFormat, text));
        }
    }
}

fn encoding_name(encoding: gimli::DwAte) -> &'static str {
    match encoding {
        gimli::DW_ATE_address => "address",
        gimli::DW_ATE_boolean => "boolean",
        gimli::DW_ATE_complex_float => "complex floating point",
        gimli::DW_ATE_float => "floating point",
        gimli::DW_ATE_signed => "signed integer",
        gimli::DW_ATE_signed_char => "signed character",
        gimli::DW_ATE_unsigned => "unsigned integer",
        gimli::DW_ATE_unsigned_char => "unsigned character",
        gimli::DW_ATE_UTF => "Unicode character",
        gimli::DW_ATE_decimal_float => "decimal floating point",
        _ => "other encoding",
    }
}
