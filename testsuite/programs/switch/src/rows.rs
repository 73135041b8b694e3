//! What was measured, a row for each operation.

use alloc::vec::Vec;
use core::time::Duration;

use fatcc_rt::{println, time};

/// All rows, in the order in which they have begun.
#[derive(Default)]
pub struct Rows(Vec<Row>);

struct Row {
    name: &'static str,
    /// Operations of one sample.
    batch: u32,
    /// Picoseconds of one operation.
    samples: Vec<u64>,
}

impl Rows {
    /// Adds a sample of `batch` operations to the row `name`.
    pub fn add(&mut self, name: &'static str, batch: u32, time: Duration) {
        let all = &mut self.0;
        let at = all.iter().position(|row| row.name == name);
        let at = at.unwrap_or_else(|| {
            all.push(Row {
                name,
                batch,
                samples: Vec::new(),
            });
            all.len() - 1
        });
        let picoseconds = time.as_nanos() as u64 * 1000 / u64::from(batch);
        all[at].samples.push(picoseconds);
    }

    /// What two readings of the clock differ by if they differ.
    pub fn clock(&mut self) {
        let first = time::now();
        let mut next = first;
        while next == first {
            next = time::now();
        }
        self.add("clock", 1, next - first);
    }

    /// Prints all.
    pub fn print(&mut self) {
        for row in &mut self.0 {
            row.samples.sort_unstable();
            let at = |percent| {
                let place = (row.samples.len() - 1) * percent / 100;
                Nanoseconds(row.samples[place])
            };
            let (median, p99, samples) = (at(50), at(99), row.samples.len());
            println!(
                "measured {} {median} {p99} {samples} {}",
                row.name, row.batch
            );
        }
    }
}

/// A number of picoseconds, shown as nanoseconds.
struct Nanoseconds(u64);

impl core::fmt::Display for Nanoseconds {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
