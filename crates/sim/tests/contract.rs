//! The simulated device keeps the contract of every device, whoever chooses.

use device::contract;
use forebay_sim::{Chooser, Priorities, Random, Sim};
use plan::{Blosc, BloscInner, Codec, Memory, Shuffle};

#[test]
fn it_is_a_device() {
    for memory in [Memory::Host, Memory::Device] {
        for seed in 0..4 {
            let choosers: [Box<dyn Chooser>; 2] =
                [Box::new(Random::new(seed)), Box::new(Priorities::new(seed, 3, 100))];
            for chooser in choosers {
                let sim = Sim::open(memory, chooser);
                let blosc = Blosc { inner: BloscInner::Lz4, level: 1, shuffle: Shuffle::Byte, block: None };
                let codecs = [Codec::Zstd { level: 1 }, Codec::Blosc(blosc)];
                contract::check(&sim, &codecs, &|codec, bytes, chunk, _| {
                    let mut out = vec![0; chunk];
                    host::codec::Decoder::new().decode(codec, bytes, &mut out).unwrap();
                    out
                });
                assert_eq!(sim.outcome().verdict, None, "{memory:?}, seed {seed}");
            }
        }
    }
}

/// Somebody can always go on, and nothing comes of it.
#[test]
fn a_run_that_goes_round_in_circles_ends_with_a_verdict() {
    for chooser in [Box::new(Random::new(0)) as Box<dyn Chooser>, Box::new(Priorities::new(0, 3, 100))] {
        let sim = Sim::open(Memory::Host, chooser);
        let mut turns = 0;
        while sim.turn().is_ok() {
            turns += 1;
        }
        let said = sim.outcome().verdict.unwrap();
        assert!(said.starts_with("livelock") && turns > 1000, "{turns}: {said}");
    }
}
