//! `--time`: what each phase of a link takes.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The times of the phases so far.
#[derive(Debug)]
pub struct Times {
    phases: Vec<(&'static str, Duration, Duration)>,
    start: Instant,
    cpu: Duration,
}

/// CPU time of all threads of this process.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

impl Times {
    /// Begins the first phase.
    pub fn start() -> Self {
        Self {
            phases: Vec::new(),
            start: Instant::now(),
            cpu: cpu(),
        }
    }

    /// Ends a phase and begins the next one.
    pub fn end(&mut self, phase: &'static str) {
        let (now, cpu) = (Instant::now(), cpu());
        self.phases
            .push((phase, now - self.start, cpu.saturating_sub(self.cpu)));
        (self.start, self.cpu) = (now, cpu);
    }

    /// A line per phase: seconds, and seconds of CPU time.
    pub fn table(&self) -> String {
        let mut text = format!("{:<10} {:>8} {:>8}\n", "phase", "wall s", "CPU s");
        let sum =
            |of: fn(&(&str, Duration, Duration)) -> Duration| self.phases.iter().map(of).sum();
        let all = ("all", sum(|p| p.1), sum(|p| p.2));
        for (phase, wall, cpu) in self.phases.iter().chain([&all]) {
            let (wall, cpu) = (wall.as_secs_f64(), cpu.as_secs_f64());
            let _ = writeln!(text, "{phase:<10} {wall:>8.3} {cpu:>8.3}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_has_a_line_and_the_last_line_is_the_sum() {
        let phase = |name, wall, cpu| {
            (
                name,
                Duration::from_millis(wall),
                Duration::from_millis(cpu),
            )
        };
        let times = Times {
            phases: vec![phase("read", 1500, 2500), phase("lay out", 10, 7)],
            ..Times::start()
        };
        let expected = "\
phase        wall s    CPU s
read          1.500    2.500
lay out       0.010    0.007
all           1.510    2.507
";
        assert_eq!(times.table(), expected);
    }
}
