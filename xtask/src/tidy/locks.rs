//! The orchestration waits, wakes and starts threads by `device::sync` alone, so that a model checker can stand there.

use super::Finding;
use super::sources::Source;

/// Rooms whose threads are run under `shuttle`, or are paced by a device that they are handed.
const ROOMS: &[&str] = &["device", "host", "flow", "stage", "sim"];

/// Where others may stand, and why.
const APART: &[&str] = &[
    // The one place that names them.
    "crates/device/src/sync.rs",
    // Threads of a pool, which are no threads of the orchestration.
    "crates/host/src/encoder.rs",
    // The simulator blocks its own threads, and never runs under another.
    "crates/sim/src/device.rs",
];

/// Atomics would need `loom`; the rest is invisible to `shuttle`.
const WORDS: &[&str] = &[
    concat!("Atom", "ic"),
    concat!("std::sync::", "Mutex"),
    concat!("std::sync::", "Condvar"),
    concat!("std::sync::", "RwLock"),
    concat!("std::sync::", "mpsc"),
    concat!("std::thread::", "Builder"),
    concat!("std::thread::", "spawn"),
    concat!("std::time::", "Instant"),
];

/// Locks, threads and atomics that come from elsewhere.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let own = |s: &&Source| {
        let room = s.room().filter(|room| ROOMS.contains(room));
        room.is_some_and(|room| s.path.starts_with(&format!("crates/{room}/src/")))
            && !APART.contains(&s.path.as_str())
    };
    sources.iter().filter(own).flat_map(foreign).collect()
}

fn foreign(source: &Source) -> Vec<Finding> {
    let code = |line: &str| line.split("//").next().unwrap_or(line).to_owned();
    let named = |line: &str| WORDS.iter().find(|word| code(line).contains(**word));
    let remedy = "take locks, threads and the clock from `device::sync`; put a counter behind a lock; \
                  or say in xtask/src/tidy/locks.rs why it stands apart";
    source
        .lines()
        .filter_map(|(n, line)| named(line).map(|word| (n, word)))
        .map(|(n, word)| {
            Finding::new(&source.path, n, format!("`{word}` is not seen by the model checker"), remedy)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::told;
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        told(check, &[(path, text)]).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn locks_of_the_system_are_found() {
        let text = format!("use {};\n// {}\nuse std::sync::Arc;\nuse {}U32;\n", WORDS[1], WORDS[1], WORDS[0]);
        assert_eq!(lines("crates/flow/src/a.rs", &text), [1, 4]);
        assert_eq!(lines("crates/host/src/b/c.rs", &text), [1, 4]);
        for free in ["crates/flow/tests/a.rs", "crates/store/src/a.rs", "crates/device/src/sync.rs"] {
            assert!(lines(free, &text).is_empty(), "{free}");
        }
    }
}
