//! The host under a checker.

use std::panic::Location;

use device::{Checked, CopyJob, Device, Home, Lane, Name, Read, Region, Write, on};
use forebay_host as host;
use host::Host;
use host::codec::Decoder;
use plan::Codec;

#[test]
fn a_checked_host_keeps_the_contract() {
    let checked = Checked::new(Host::open(2).unwrap());
    device::contract::check(&checked, &[Codec::Zstd { level: 1 }], &|codec, encoded, chunk, _| {
        let mut out = vec![0; chunk];
        Decoder::new().decode(codec, encoded, &mut out).unwrap();
        out
    });
    checked.verdict().unwrap();
}

/// A checked host with regions of 64 bytes.
struct Desk {
    device: Checked<Host>,
    regions: Vec<Region>,
}

impl Desk {
    fn new() -> Desk {
        let device = Checked::new(Host::open(1).unwrap());
        let name = |slot| Name { buffer: "desk", slot };
        let regions = (0..3).map(|slot| device.allocate(Home::Host, 64, name(slot)).unwrap()).collect();
        Desk { device, regions }
    }

    fn read(&self, region: usize) -> Read<'_> {
        // SAFETY: uses that these tests leave unordered follow one another all the same: see `pass`, which no lane and no
        // other thread hears of.
        unsafe { Read::mint(&self.regions[region], 0..64) }
    }

    fn write(&self, region: usize) -> Write<'_> {
        // SAFETY: as above.
        unsafe { Write::mint(&self.regions[region], 0..64) }
    }

    #[track_caller]
    fn copy(&self, lane: Lane, stage: &'static str, from: usize, to: usize) -> Result<(), device::Error> {
        self.device.enter(stage, 7, Location::caller());
        self.device.copy(lane, CopyJob { from: self.read(from), to: self.write(to) })
    }
}

impl Desk {
    /// Waits for a mark on a thread that tells nobody.
    fn pass(&self, mark: device::Mark) {
        let wait = || {
            let _store = on(Lane::Sink);
            self.device.wait(Lane::Sink, mark, 0).unwrap();
        };
        std::thread::scope(|s| s.spawn(wait).join().unwrap());
    }
}

/// The first lane is idle before the second begins: nothing races this time, and it is found all the same.
#[test]
fn a_wait_that_is_left_out_is_found_though_the_lanes_ran_one_after_the_other() {
    for waits in [true, false] {
        let desk = Desk::new();
        let (device, mark) = (&desk.device, desk.device.mark().unwrap());
        desk.copy(Lane::H2d, "Up", 0, 1).unwrap();
        device.record(Lane::H2d, mark, 0).unwrap();
        desk.pass(mark);
        if waits {
            device.wait(Lane::Compute, mark, 0).unwrap();
        }
        let ended = desk.copy(Lane::Compute, "Use", 1, 2);
        assert_eq!(ended.is_ok(), waits);
        let Err(error) = ended else { continue };
        let race = error.race().unwrap();
        assert_eq!((race.buffer, race.range.clone()), (Name { buffer: "desk", slot: 1 }, 0..64));
        assert_eq!((race.first.stage, race.first.write), ("Up", true));
        assert_eq!((race.second.stage, race.second.write), ("Use", false));
        let (first, second) = (race.first.at, race.second.at);
        assert!(first.file().ends_with("checked.rs") && first.line() < second.line(), "{race}");
        let said = error.to_string();
        println!("{said}");
        assert!(said.contains("bytes 0..64 of desk 1") && said.contains("lane compute"), "{said}");
        // It stays: for work, for waits, for the end. Records go on.
        assert_eq!(desk.copy(Lane::Drain, "Other", 0, 2).unwrap_err().to_string(), said);
        device.record(Lane::Compute, mark, 1).unwrap();
        assert_eq!(device.wait(Lane::Producer, mark, 1).unwrap_err().to_string(), said);
        assert_eq!(device.synchronize().unwrap_err().to_string(), said);
    }
}

#[test]
fn the_host_reads_after_a_wait_or_not_at_all() {
    for waits in [true, false] {
        let desk = Desk::new();
        let (device, mark) = (&desk.device, desk.device.mark().unwrap());
        desk.copy(Lane::D2h, "Down", 0, 1).unwrap();
        device.record(Lane::D2h, mark, 0).unwrap();
        desk.pass(mark);
        if waits {
            device.wait(Lane::Producer, mark, 0).unwrap();
        }
        desk.read(1).bytes().unwrap();
        // No error could be returned where the bytes were taken: the next call has it.
        let said = device.synchronize().map_err(|e| e.to_string());
        assert_eq!(said.is_ok(), waits, "{said:?}");
    }
}

/// What happens behind a closed gate is seen when it opens, by whoever opens it.
#[test]
fn a_lane_behind_a_gate_has_seen_what_opened_it() {
    for early in [false, true] {
        let desk = Desk::new();
        let (device, gate, behind) = (&desk.device, desk.device.gate().unwrap(), desk.device.mark().unwrap());
        device.wait(Lane::Compress, gate, 0).unwrap();
        desk.copy(Lane::Compress, "Pack", 0, 1).unwrap();
        device.record(Lane::Compress, behind, 0).unwrap();
        let open = || {
            let _courier = on(Lane::Courier);
            if early {
                device.record(Lane::Courier, gate, 0)?;
                desk.pass(behind);
            }
            device.enter("Tail", 7, Location::caller());
            desk.write(0).bytes().unwrap().fill(1);
            if early { device.synchronize() } else { device.record(Lane::Courier, gate, 0) }
        };
        let opened = std::thread::scope(|s| s.spawn(open).join().unwrap());
        assert_eq!(opened.is_err(), early, "{opened:?}");
        assert_eq!(device.synchronize().is_err(), early);
    }
}

/// The store has seen what whoever hands a part to it has.
#[test]
fn a_part_carries_over_what_its_giver_has_seen() {
    for handed in [true, false] {
        let desk = Desk::new();
        let courier = on(Lane::Courier);
        desk.write(0).bytes().unwrap().fill(1);
        if handed {
            let _store = on(Lane::Sink);
            desk.device.enter("SinkWrite", 7, Location::caller());
        }
        drop(courier);
        let read = || {
            let _store = on(Lane::Sink);
            desk.read(0).bytes().map(|_| ()).unwrap();
        };
        std::thread::scope(|s| s.spawn(read).join().unwrap());
        assert_eq!(desk.device.verdict().is_ok(), handed);
    }
}

#[test]
fn memory_that_nobody_wrote_is_not_zero() {
    let desk = Desk::new();
    assert_eq!(desk.read(0).bytes().unwrap(), [device::UNWRITTEN; 64]);
    let registered = desk.device.register(vec![3; 8]).unwrap();
    // SAFETY: nobody else has a view.
    let read = unsafe { Read::mint(&registered, 0..8) };
    assert_eq!(read.bytes().unwrap(), [3; 8]);
}
