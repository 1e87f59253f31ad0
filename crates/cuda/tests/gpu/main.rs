//! The GPU keeps the contract of a device. To be run where there is one: `cargo test -p forebay-cuda -- --ignored`.

#[path = "../../../host/tests/reduce/data.rs"]
#[allow(dead_code, reason = "the host's tests use the rest")]
mod data;
#[path = "../../../host/tests/reduce/draw.rs"]
#[allow(dead_code, reason = "as above")]
mod draw;
mod reduce;

use cuda::Cuda;
use device::{Checked, Device, EncodeJob, Home, Lane, Name, Read, Region, Write};
use forebay_cuda as cuda;
use host::codec::Decoder;
use plan::Codec;

fn decode(codec: &Codec, encoded: &[u8], chunk: usize, _element: usize) -> Vec<u8> {
    let mut out = vec![0; chunk];
    Decoder::new().decode(codec, encoded, &mut out).unwrap();
    out
}

#[test]
#[ignore = "needs a GPU"]
fn the_gpu_keeps_the_contract() {
    let device = Cuda::open(0).unwrap();
    device::contract::check(&device, &[Codec::Zstd { level: 0 }], &decode);
}

/// The same without the library that compresses: what a sanitizer says of it is about our own kernels.
#[test]
#[ignore = "needs a GPU"]
fn the_gpu_keeps_the_contract_without_a_codec() {
    device::contract::check(&Cuda::open(0).unwrap(), &[], &decode);
}

/// The same under a checker: nothing that the contract does is out of order.
#[test]
#[ignore = "needs a GPU"]
fn a_checked_gpu_keeps_the_contract() {
    let device = Checked::new(Cuda::open(0).unwrap());
    device::contract::check(&device, &[Codec::Zstd { level: 0 }], &decode);
    device.verdict().unwrap();
}

/// Memory of somebody else's, which panics when it goes.
struct Nasty(Box<[u8]>, *mut u8);

// SAFETY: it owns its bytes.
unsafe impl Send for Nasty {}
// SAFETY: as above.
unsafe impl Sync for Nasty {}

// SAFETY: the bytes stay where they are until this is dropped.
unsafe impl device::Backing for Nasty {
    fn base(&self) -> *mut u8 {
        self.1
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn host_visible(&self) -> bool {
        true
    }
}

impl Drop for Nasty {
    fn drop(&mut self) {
        panic!("not like this");
    }
}

/// A panic on a thread of the device's fails the run, and nobody waits for ever.
#[test]
#[ignore = "needs a GPU"]
fn memory_that_panics_when_it_goes_fails_the_run() {
    let device = Cuda::open(0).unwrap();
    let mark = device.mark().unwrap();
    let up = device.allocate(Home::Device, 4096, Name::of("test")).unwrap();
    let mut bytes = vec![7; 4096].into_boxed_slice();
    let base = bytes.as_mut_ptr();
    let nasty = Region::new(std::sync::Arc::new(Nasty(bytes, base)));
    device.copy(Lane::H2d, device::CopyJob { from: read(&nasty), to: write(&up) }).unwrap();
    // The copy holds the last of it; where it has run already, the panic comes here.
    let here = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(nasty))).is_err();
    device.record(Lane::H2d, mark, 0).unwrap();
    let ended = device.wait(Lane::Producer, mark, 0);
    assert!(here || ended.unwrap_err().to_string().contains("panicked"));
}

/// Batches as large as runs have them, in both shapes: chunks of a megabyte, and many small ones.
#[test]
#[ignore = "needs a GPU"]
fn large_batches_are_encoded() {
    let device = Cuda::open(0).unwrap();
    for (chunks, size) in
        [(16, 1 << 20), (384, 1 << 20), (600, 1 << 20), (512, 1 << 16), (9600, 1 << 16), (8, 5 << 20)]
    {
        encode(&device, chunks, size);
    }
}

/// The thread that opens a writer need not be the one that appends.
#[test]
#[ignore = "needs a GPU"]
fn another_thread_encodes() {
    let device = Cuda::open(0).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| encode(&device, 16, 1 << 16)).join().unwrap();
    });
}

/// What a plan asks before a device is opened leaves the library as it was.
#[test]
#[ignore = "needs a GPU"]
fn a_plan_is_made_before() {
    cuda::probe(0).unwrap();
    cuda::memory(0).unwrap();
    cuda::workspace(0, &Codec::Zstd { level: 0 }, 4096, 1 << 16).unwrap();
    encode(&Cuda::open(0).unwrap(), 16, 1 << 16);
}

/// Batches that are not full.
#[test]
#[ignore = "needs a GPU"]
fn fewer_chunks_than_were_prepared_for() {
    let device = Cuda::open(0).unwrap();
    encode_some(&device, (600, 256), 1 << 20);
    encode_some(&device, (1000, 1), 1 << 16);
}

fn encode(device: &Cuda, chunks: usize, size: usize) {
    encode_some(device, (chunks, chunks), size);
}

fn encode_some(device: &Cuda, (most, chunks): (usize, usize), size: usize) {
    let codec = Codec::Zstd { level: 0 };
    let encoder = device.prepare(&codec, most as u64, size, 2).unwrap();
    let stride = encoder.worst_case().next_multiple_of(16);
    let on = |home, bytes| device.allocate(home, bytes, Name::of("test")).unwrap();
    let (up, pool) = (on(Home::Host, chunks * size), on(Home::Device, chunks * size));
    let (scratch, sizes) = (on(Home::Device, chunks * stride), on(Home::Device, chunks * 8));
    let data: Vec<u8> = (0..chunks * size).map(|i| ((i / 7) ^ (i >> 9)) as u8).collect();
    write(&up).bytes().unwrap().copy_from_slice(&data);
    device.copy(Lane::Compress, device::CopyJob { from: read(&up), to: write(&pool) }).unwrap();
    let job = EncodeJob {
        chunks: chunks as u32,
        pool: read(&pool),
        scratch: write(&scratch),
        stride: stride as u64,
        sizes: write(&sizes),
    };
    encoder.encode(Lane::Compress, job).unwrap();
    let (down, lengths) = (on(Home::Host, chunks * stride), on(Home::Host, chunks * 8));
    device.copy(Lane::Compress, device::CopyJob { from: read(&scratch), to: write(&down) }).unwrap();
    device.copy(Lane::Compress, device::CopyJob { from: read(&sizes), to: write(&lengths) }).unwrap();
    device.synchronize().unwrap();
    let (down, lengths) = (read(&down).bytes().unwrap(), read(&lengths).bytes().unwrap());
    for (i, length) in lengths.as_chunks::<8>().0.iter().enumerate() {
        let length = u64::from_le_bytes(*length) as usize;
        let chunk = decode(&codec, &down[i * stride..][..length], size, 2);
        assert!(chunk == data[i * size..][..size], "chunk {i} of {chunks} of {size} bytes");
    }
}

fn read(region: &Region) -> Read<'_> {
    // SAFETY: one lane does everything, in order.
    unsafe { Read::mint(region, 0..region.len()) }
}

fn write(region: &Region) -> Write<'_> {
    // SAFETY: as above.
    unsafe { Write::mint(region, 0..region.len()) }
}
