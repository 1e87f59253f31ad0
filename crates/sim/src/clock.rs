//! Vector clocks: what each lane, thread and answer of the store has seen of the others.

/// Device lanes, threads of the host, and answers of the store that may be under way at once.
pub(crate) const LANES: usize = 5;
pub(crate) const THREADS: usize = 4;
pub(crate) const ANSWERS: usize = 8;
pub(crate) const ALL: usize = LANES + THREADS + ANSWERS;

/// Whoever acts: an index into clocks.
pub(crate) type Actor = usize;

/// The thread that opened the device.
pub(crate) const MAIN: Actor = LANES;

/// Actions of each actor that have been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock([u64; ALL]);

impl Clock {
    pub(crate) fn join(&mut self, other: &Clock) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = (*mine).max(theirs);
        }
    }

    /// One more action of `actor`; its number.
    pub(crate) fn tick(&mut self, actor: Actor) -> u64 {
        self.0[actor] += 1;
        self.0[actor]
    }

    /// The numbers, actor by actor.
    pub(crate) fn numbers(&self) -> &[u64; ALL] {
        &self.0
    }

    /// Whether action `number` of `actor` has been seen.
    pub(crate) fn saw(&self, actor: Actor, number: u64) -> bool {
        self.0[actor] >= number
    }
}

/// Its name in reports.
pub(crate) fn name(actor: Actor) -> String {
    const NAMES: [&str; LANES] = ["h2d", "compute", "compress", "d2h", "drain"];
    match actor {
        lane if lane < LANES => format!("lane {}", NAMES[lane]),
        thread if thread < LANES + THREADS => format!("thread {}", thread - LANES),
        answer => format!("answer {} of the store", answer - LANES - THREADS),
    }
}
