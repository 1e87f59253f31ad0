//! The orchestration on an NVIDIA GPU of which one row is not kept. To be run where there is one:
//! `cargo test -p forebay-flow --test gpu -- --ignored`.

mod loose;

use cuda::Cuda;
use forebay_flow::table::Case;
use host::Host;
use loose::{Loose, checks, stream};
use plan::Memory;

fn open(_: Memory) -> Cuda {
    Cuda::open(0).unwrap()
}

#[test]
#[ignore = "needs a GPU"]
fn where_all_rows_are_kept_the_checker_finds_nothing() {
    checks::all_kept(&open, Memory::Device);
}

#[test]
#[ignore = "needs a GPU"]
fn the_pool_and_the_tail_are_named_with_their_rows() {
    checks::losses_are_named(&open, Memory::Device);
}

#[test]
#[ignore = "needs a GPU"]
fn every_row_that_is_not_kept_is_found_in_one_run() {
    let (races, others) = checks::each_row_is_missed(&open, Memory::Device);
    println!("rows left out: {races} races, of which in {} runs something else was said first", others.len());
}

#[test]
#[ignore = "needs a GPU"]
fn without_the_pool_and_the_tail_bytes_are_wrong() {
    checks::losses_spoil_bytes(&open);
}

/// What the mutations are held against is right.
#[test]
#[ignore = "needs a GPU"]
fn chunks_that_are_not_compressed_are_stored_as_the_host_stores_them() {
    for plan in checks::plans(Memory::Device).filter(|p| p.codec.is_none()) {
        let case = Case::of(&plan);
        let host = Host::open(1).unwrap().with_memory(Memory::Device);
        let want = stream(Loose::new(host, case, None), &plan).unwrap();
        assert!(stream(Loose::new(open(Memory::Device), case, None), &plan).unwrap() == want, "{case:?}");
    }
}
