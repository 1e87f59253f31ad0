//! The host keeps the contract of a device.

use forebay_host as host;
use host::Host;
use host::codec::Decoder;
use plan::{Blosc, BloscInner, Codec, Shuffle};

fn decode(codec: &Codec, encoded: &[u8], chunk: usize, _element: usize) -> Vec<u8> {
    let mut out = vec![0; chunk];
    Decoder::new().decode(codec, encoded, &mut out).unwrap();
    out
}

fn blosc(inner: BloscInner, shuffle: Shuffle) -> Codec {
    Codec::Blosc(Blosc { inner, level: 5, shuffle, block: None })
}

#[test]
fn the_host_keeps_the_contract() {
    let codecs = [
        Codec::Zstd { level: 1 },
        blosc(BloscInner::Lz4, Shuffle::Byte),
        blosc(BloscInner::Zstd, Shuffle::Bit),
    ];
    for threads in [1, 2, 5] {
        device::contract::check(&Host::open(threads).unwrap(), &codecs, &decode);
    }
}

/// A job that panics fails the device with its words; marks are still reached, and nobody hangs.
#[test]
fn a_failed_lane_reaches_its_marks_and_every_wait_says_why() {
    use device::{CopyJob, Device, Home, Lane, Name, Read, Write};
    let host = Host::open(1).unwrap();
    let allocate = |bytes| host.allocate(Home::Device, bytes, Name::of("test")).unwrap();
    let (a, b) = (allocate(8), allocate(4));
    let mark = host.mark().unwrap();
    // SAFETY: nothing else uses the regions.
    let from = unsafe { Read::mint(&a, 0..8) };
    // SAFETY: as above.
    let to = unsafe { Write::mint(&b, 0..4) };
    host.copy(Lane::H2d, CopyJob { from, to }).unwrap();
    host.record(Lane::H2d, mark, 0).unwrap();
    let said = host.wait(Lane::Producer, mark, 0).unwrap_err().to_string();
    assert!(said.contains("8 bytes do not go into 4"), "{said}");
    assert_eq!(host.synchronize().unwrap_err().to_string(), said, "the first error is kept");
}
