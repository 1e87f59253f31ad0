//! The orchestration on real threads under a checker: a row that is not kept is found in one run, however the threads
//! happen to run; and where all are kept nothing is found.

mod loose;

use host::Host;
use loose::checks;
use plan::Memory;

const MEMORIES: [Memory; 2] = [Memory::Host, Memory::Device];

fn open(memory: Memory) -> Host {
    Host::open(1).unwrap().with_memory(memory)
}

#[test]
fn where_all_rows_are_kept_nothing_is_found() {
    MEMORIES.into_iter().for_each(|memory| checks::all_kept(&open, memory));
}

#[test]
fn the_pool_and_the_tail_are_named_with_their_rows() {
    MEMORIES.into_iter().for_each(|memory| checks::losses_are_named(&open, memory));
}

/// Rows that say when offsets are there: who takes them too early takes what stands there, and may fail before he is told.
const OFFSETS: [&str; 2] = ["packed", "index_down"];

#[test]
fn every_row_that_is_not_kept_is_found_in_one_run() {
    let missed = MEMORIES.map(|memory| checks::each_row_is_missed(&open, memory));
    let (races, others) = (missed[0].0 + missed[1].0, [&missed[0].1[..], &missed[1].1].concat());
    println!("{races} races, of which in {} runs something else was said first", others.len());
    assert_eq!(races, 164);
    assert!(others.len() <= 24 && others.iter().all(|row| OFFSETS.contains(row)), "{others:?}");
}

/// Without the checker, with a lane that is slow.
#[test]
fn without_the_pool_and_the_tail_bytes_are_wrong() {
    checks::losses_spoil_bytes(&open);
}
