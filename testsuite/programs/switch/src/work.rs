//! What moving costs a task that runs: the same work done by a task that stays on a CPU for half of it, and by one that
//! moves to the other CPU ten thousand times a second.

use core::hint::black_box;
use core::time::Duration;

use fatcc_rt::cpu::Cpu;
use fatcc_rt::task;
use fatcc_rt::time::now;

use crate::rows::Rows;

/// What a task works between two moves.
const PIECE: Duration = Duration::from_micros(100);
/// Pieces of a sample, on each CPU.
const PIECES: u32 = 20;
/// Steps of the first try to find out how many are a piece.
const TRY: u64 = 20_000;

/// The pieces of two CPUs: each has as many steps as its CPU does in the time.
pub struct Pieces([(Cpu, u64); 2]);

impl Pieces {
    /// Finds out how fast they are, and returns to the first one.
    pub async fn of(cpus: [Cpu; 2]) -> Pieces {
        let mut pieces = cpus.map(|cpu| (cpu, 0));
        for (cpu, steps) in &mut pieces {
            task::switch_to(*cpu).await;
            let times = [(); 9].map(|()| {
                let start = now();
                work(TRY);
                now() - start
            });
            let fastest = times.into_iter().min().unwrap_or(PIECE);
            *steps = TRY * PIECE.as_nanos() as u64 / fastest.as_nanos().max(1) as u64;
        }
        task::switch_to(cpus[0]).await;
        Pieces(pieces)
    }

    /// A sample of both kinds; the time of a piece.
    pub async fn measure(&self, rows: &mut Rows) {
        let [(here, _), _] = self.0;
        let start = now();
        for (cpu, steps) in self.0 {
            task::switch_to(cpu).await;
            (0..PIECES).for_each(|_| work(steps));
        }
        task::switch_to(here).await;
        rows.add("work", 2 * PIECES, now() - start);
        let start = now();
        for _ in 0..PIECES {
            for (cpu, steps) in self.0 {
                task::switch_to(cpu).await;
                work(steps);
            }
        }
        task::switch_to(here).await;
        rows.add("work-moving", 2 * PIECES, now() - start);
    }
}

#[inline(never)]
fn work(steps: u64) {
    let mut state = black_box(1u64);
    for _ in 0..steps {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    black_box(state);
}
