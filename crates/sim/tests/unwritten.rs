//! Memory is poisoned until it is written: to read it is a verdict, to copy it is not, and the copy is poisoned too.

use std::panic::Location;

use device::{CopyJob, Device, FillJob, Home, Lane, Name, Read, Region, Write};
use forebay_sim::{Random, Sim};
use plan::Memory;

fn open() -> (Sim, Vec<Region>) {
    let sim = Sim::open(Memory::Host, Box::new(Random::new(0)));
    let regions = (0..2).map(|slot| sim.allocate(Home::Host, 64, Name { buffer: "desk", slot }).unwrap());
    let regions = regions.collect();
    sim.enter("Test", 7, Location::caller());
    (sim, regions)
}

fn read(region: &Region, range: std::ops::Range<usize>) -> Read<'_> {
    // SAFETY: lanes are idle before the host looks; one thread does all of it.
    unsafe { Read::mint(region, range) }
}

fn write(region: &Region, range: std::ops::Range<usize>) -> Write<'_> {
    // SAFETY: as above.
    unsafe { Write::mint(region, range) }
}

/// Writes bytes 8..40 of the first region and copies it to the second; what the host is told that reads bytes of that.
fn verdict_of(range: std::ops::Range<usize>) -> Option<String> {
    let (sim, regions) = open();
    let to = write(&regions[0], 8..40);
    sim.fill(Lane::Compute, FillJob { element: [7; 8], size: 1, to }).unwrap();
    let job = CopyJob { from: read(&regions[0], 0..64), to: write(&regions[1], 0..64) };
    sim.copy(Lane::Compute, job).unwrap();
    sim.synchronize().unwrap();
    assert_eq!(sim.outcome().verdict, None, "a copy looks at nothing");
    let bytes = read(&regions[1], range).bytes().unwrap();
    assert!(bytes.iter().all(|b| [7, device::UNWRITTEN].contains(b)), "{bytes:?}");
    sim.outcome().verdict
}

#[test]
fn what_nobody_wrote_is_found_by_whoever_reads_it() {
    assert_eq!(verdict_of(8..40), None);
    for (range, bytes) in [(0..10, "0..8"), (39..64, "40..64"), (0..64, "0..8"), (50..51, "50..51")] {
        let said = verdict_of(range).unwrap();
        assert!(said.contains(&format!("reads bytes {bytes} of desk 1, and nobody wrote them")), "{said}");
        assert!(said.starts_with("Test 7 (thread 0, ") && said.contains("unwritten.rs"), "{said}");
    }
}

#[test]
fn memory_of_the_callers_counts_as_written() {
    let (sim, _) = open();
    let registered = sim.register(vec![3; 8]).unwrap();
    assert_eq!(read(&registered, 0..8).bytes().unwrap(), [3; 8]);
    assert_eq!(sim.outcome().verdict, None);
}
