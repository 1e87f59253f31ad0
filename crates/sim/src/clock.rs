//! Vector clocks: what each lane, thread and answer of the store has seen of the others.

/// Device lanes, threads of the host, and answers of the store that may be under way at once.
pub(crate) const LANES: usize = 5;
pub(crate) const THREADS: usize = 4;
pub(crate) const ANSWERS: usize = 8;
pub(crate) const ALL: usize = LANES + THREADS + ANSWERS;

pub(crate) use device::check::Actor;

/// The thread that opened the device.
pub(crate) const MAIN: Actor = LANES;

pub(crate) type Clock = device::check::Clock<ALL>;

/// Its name in reports.
pub(crate) fn name(actor: Actor) -> String {
    const NAMES: [&str; LANES] = ["h2d", "compute", "compress", "d2h", "drain"];
    match actor {
        lane if lane < LANES => format!("lane {}", NAMES[lane]),
        thread if thread < LANES + THREADS => format!("thread {}", thread - LANES),
        answer => format!("answer {} of the store", answer - LANES - THREADS),
    }
}
