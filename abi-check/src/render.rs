//! Text of a report: the only place that formats findings.
//!
//! Invariant: the text is a function of the report alone.

use std::fmt::{self, Display, Formatter};

use crate::report::Report;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "compared {} roots and {} types of {}",
            self.compared_roots,
            self.compared_types,
            self.sides.join(", ")
        )
    }
}
