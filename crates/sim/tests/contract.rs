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
