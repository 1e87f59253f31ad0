//! The GPU keeps the contract of a device. To be run where there is one: `cargo test -p forebay-cuda -- --ignored`.

#[path = "../../../host/tests/reduce/data.rs"]
#[allow(dead_code, reason = "the host's tests use the rest")]
mod data;
#[path = "../../../host/tests/reduce/draw.rs"]
#[allow(dead_code, reason = "as above")]
mod draw;
#[path = "../made/mod.rs"]
mod made;
mod reduce;

use std::time::Duration;

use cuda::{CoderChoice, Cuda};
use device::{Checked, Device, EncodeJob, Home, Lane, Name, Read, Region, Write};
use forebay_cuda as cuda;
use host::codec::Decoder;
use plan::Codec;

fn decode(codec: &Codec, encoded: &[u8], chunk: usize, _element: usize) -> Vec<u8> {
    let mut out = vec![0; chunk];
    Decoder::new().decode(codec, encoded, &mut out).unwrap();
    out
}

/// The GPU with nvCOMP in place of our own coder.
fn with_nvcomp() -> Cuda {
    Cuda::open(0).unwrap().with_coder(CoderChoice::Nvcomp)
}

#[test]
#[ignore = "needs a GPU"]
fn the_gpu_keeps_the_contract() {
    let device = with_nvcomp();
    device::contract::check(&device, &[Codec::Zstd { level: 0 }], &decode);
}

/// The same without the library that compresses: what a sanitizer says of it is about our own kernels.
#[test]
#[ignore = "needs a GPU"]
fn the_gpu_keeps_the_contract_without_a_codec() {
    device::contract::check(&Cuda::open(0).unwrap(), &[], &decode);
}

/// Our own coder, also under a checker.
#[test]
#[ignore = "needs a GPU"]
fn our_coder_keeps_the_contract() {
    let open = || Cuda::open(0).unwrap().with_coder(CoderChoice::Own);
    device::contract::check(&open(), &made::OWN, &decode);
    let device = Checked::new(open());
    device::contract::check(&device, &made::OWN, &decode);
    device.verdict().unwrap();
}

/// The same under a checker: nothing that the contract does is out of order.
#[test]
#[ignore = "needs a GPU"]
fn a_checked_gpu_keeps_the_contract() {
    let device = Checked::new(with_nvcomp());
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
    for device in [with_nvcomp(), Cuda::open(0).unwrap()] {
        for (chunks, size) in
            [(16, 1 << 20), (384, 1 << 20), (600, 1 << 20), (512, 1 << 16), (9600, 1 << 16), (8, 5 << 20)]
        {
            encode(&device, chunks, size);
        }
    }
}

/// The thread that opens a writer need not be the one that appends.
#[test]
#[ignore = "needs a GPU"]
fn another_thread_encodes() {
    for device in [with_nvcomp(), Cuda::open(0).unwrap()] {
        std::thread::scope(|scope| {
            scope.spawn(|| encode(&device, 16, 1 << 16)).join().unwrap();
        });
    }
}

/// What a plan asks before a device is opened leaves the library as it was.
#[test]
#[ignore = "needs a GPU"]
fn a_plan_is_made_before() {
    cuda::probe(0).unwrap();
    cuda::memory(0).unwrap();
    cuda::workspace(0, &Codec::Zstd { level: 0 }, (1 << 16, 2), CoderChoice::Nvcomp).unwrap();
    encode(&with_nvcomp(), 16, 1 << 16);
}

/// Batches that are not full.
#[test]
#[ignore = "needs a GPU"]
fn fewer_chunks_than_were_prepared_for() {
    for device in [with_nvcomp(), Cuda::open(0).unwrap()] {
        encode_some(&device, (600, 256), 1 << 20);
        encode_some(&device, (1000, 1), 1 << 16);
    }
}

fn encode(device: &Cuda, chunks: usize, size: usize) {
    encode_some(device, (chunks, chunks), size);
}

fn encode_some(device: &Cuda, (most, chunks): (usize, usize), size: usize) {
    let codec = Codec::Zstd { level: 0 };
    let data: Vec<u8> = (0..chunks * size).map(|i| ((i / 7) ^ (i >> 9)) as u8).collect();
    let frames = encoded(device, &codec, most, (size, 2), &data);
    check(&codec, (size, 2), &data, &frames);
}

fn check(codec: &Codec, (size, element): (usize, usize), data: &[u8], frames: &[Vec<u8>]) {
    for (i, (frame, want)) in frames.iter().zip(data.chunks(size)).enumerate() {
        assert!(decode(codec, frame, size, element) == want, "{codec:?}: chunk {i} of {size} bytes");
    }
}

/// Chunks on the GPU, with room for what becomes of them.
struct Batch<'a> {
    device: &'a Cuda,
    chunks: usize,
    stride: usize,
    /// The chunks here and there, their frames, and the bytes of those.
    up: Region,
    pool: Region,
    scratch: Region,
    sizes: Region,
}

impl<'a> Batch<'a> {
    fn new(device: &'a Cuda, worst_case: usize, size: usize, data: &[u8]) -> Batch<'a> {
        let (chunks, stride) = (data.len() / size, worst_case.next_multiple_of(16));
        let on = |home, bytes| device.allocate(home, bytes, Name::of("test")).unwrap();
        let (up, pool) = (on(Home::Host, data.len()), on(Home::Device, data.len()));
        let (scratch, sizes) = (on(Home::Device, chunks * stride), on(Home::Device, chunks * 8));
        write(&up).bytes().unwrap().copy_from_slice(data);
        Batch { device, chunks, stride, up, pool, scratch, sizes }
    }

    /// Queues what brings the chunks up and encodes them.
    fn queue(&self, encoder: &dyn device::Encoder) {
        self.copy(&self.up, &self.pool);
        let job = EncodeJob {
            chunks: self.chunks as u32,
            pool: read(&self.pool),
            scratch: write(&self.scratch),
            stride: self.stride as u64,
            sizes: write(&self.sizes),
        };
        encoder.encode(Lane::Compress, job).unwrap();
    }

    fn copy(&self, from: &Region, to: &Region) {
        let job = device::CopyJob { from: read(from), to: write(to) };
        self.device.copy(Lane::Compress, job).unwrap();
    }

    /// Waits, and gives the frames.
    fn frames(&self) -> Vec<Vec<u8>> {
        let on = |bytes| self.device.allocate(Home::Host, bytes, Name::of("test")).unwrap();
        let (down, lengths) = (on(self.scratch.len()), on(self.sizes.len()));
        self.copy(&self.scratch, &down);
        self.copy(&self.sizes, &lengths);
        self.device.synchronize().unwrap();
        let (down, lengths) = (read(&down).bytes().unwrap(), read(&lengths).bytes().unwrap());
        let lengths = lengths.as_chunks::<8>().0.iter().map(|length| u64::from_le_bytes(*length) as usize);
        lengths.enumerate().map(|(i, length)| down[i * self.stride..][..length].to_vec()).collect()
    }
}

/// What becomes of the chunks that lie in `data` one after another.
fn encoded(
    device: &Cuda,
    codec: &Codec,
    most: usize,
    (size, element): (usize, usize),
    data: &[u8],
) -> Vec<Vec<u8>> {
    let encoder = device.prepare(codec, most as u64, size, element).unwrap();
    let batch = Batch::new(device, encoder.worst_case(), size, data);
    batch.queue(&*encoder);
    batch.frames()
}

/// Bytes are those of the emulator, which a test of its own keeps in the table.
#[test]
#[ignore = "needs a GPU"]
fn our_coder_writes_what_the_emulator_writes() {
    let device = Cuda::open(0).unwrap();
    let got = made::fingerprints(|codec, (size, element), data| {
        encoded(&device, codec, data.len() / size, (size, element), data)
    });
    assert_eq!(got.lines().count(), made::FINGERPRINTS.lines().count());
    let others = made::others(&got);
    assert!(others.is_empty(), "{} lines are not the emulator's:\n{}", others.len(), others.join("\n"));
    println!("{} lines, all the emulator's", got.lines().count());
}

/// Batches that are queued one behind the other, eight of them, two kinds in turn, are what each is alone.
#[test]
#[ignore = "needs a GPU"]
fn batches_in_flight_do_not_disturb_each_other() {
    let device = Cuda::open(0).unwrap();
    let (size, chunks) = (65_536, 64);
    let data = [made::Kind::Camera, made::Kind::Text].map(|kind| kind.bytes(2, chunks * size, 5));
    for codec in made::OWN {
        let alone = [0, 1].map(|i| encoded(&device, &codec, chunks, (size, 2), &data[i]));
        let encoder = device.prepare(&codec, chunks as u64, size, 2).unwrap();
        let batches: Vec<_> =
            (0..8).map(|i| Batch::new(&device, encoder.worst_case(), size, &data[i % 2])).collect();
        batches.iter().for_each(|batch| batch.queue(&*encoder));
        for (i, batch) in batches.iter().enumerate() {
            assert!(batch.frames() == alone[i % 2], "{codec:?}: batch {i}");
        }
    }
}

/// Our coder on chunks of every kind and of many sizes: they decode, and eight runs give the same bytes.
#[test]
#[ignore = "needs a GPU"]
fn our_coder_writes_what_readers_read() {
    let device = Cuda::open(0).unwrap().with_coder(CoderChoice::Own);
    for kind in made::KINDS {
        for size in [16, 100, 4096, 20_002, 65_536, 262_144, 1_500_000] {
            let data = kind.bytes(2, 3 * size, size as u64);
            for (codec, element) in made::OWN.into_iter().flat_map(|codec| [1, 2, 8].map(|e| (codec, e))) {
                let first = encoded(&device, &codec, 3, (size, element), &data);
                check(&codec, (size, element), &data, &first);
                for _ in 1..8 {
                    assert!(
                        encoded(&device, &codec, 3, (size, element), &data) == first,
                        "not the same bytes again"
                    );
                }
            }
        }
    }
}

/// What it takes, and how small it gets: beside nvCOMP, where that is installed, on the same bytes and with those apart. A
/// table on standard output, images first; the bytes lie on the GPU before.
#[test]
#[ignore = "needs a GPU"]
fn our_coder_measured() {
    let batch = std::env::var("FOREBAY_GPU_BYTES").ok().and_then(|b| b.parse().ok()).unwrap_or(512 << 20);
    println!("data, chunk, coder and codec: GB/s (median, worst of 8), ratio");
    let made = made::KINDS.into_iter().map(|kind| (format!("{kind:?}"), kind.bytes(2, 32 << 20, 7)));
    for (name, once) in files().chain(made) {
        // Made once, and repeated: longer than any level of cache.
        let data: Vec<u8> = once.iter().copied().cycle().take(batch).collect();
        for chunk in [64 << 10, 256 << 10, 1 << 20] {
            // What is said of the ratio is of whole chunks of what there is.
            let some = data.len().min(once.len()) / chunk * chunk;
            for codec in made::OWN {
                measure(&name, (chunk, some), (CoderChoice::Own, codec), &data);
            }
            let nvcomp = (CoderChoice::Nvcomp, Codec::Zstd { level: 0 });
            measure(&name, (chunk, some), nvcomp, &data);
            measure(&format!("{name}, bytes apart"), (chunk, some), nvcomp, &apart(&data, chunk));
        }
    }
}

/// Images of 16 bits, as the paths in `FOREBAY_GPU_FILES` hold them, parted by colons; their headers are bytes like others.
fn files() -> impl Iterator<Item = (String, Vec<u8>)> {
    let paths = std::env::var("FOREBAY_GPU_FILES").unwrap_or_default();
    let paths: Vec<_> = paths.split(':').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(&path).unwrap()))
}

/// The lower bytes of each chunk's elements before their upper ones, as Blosc's shuffle puts them.
fn apart(data: &[u8], chunk: usize) -> Vec<u8> {
    let plane = |chunk: &[u8], from| chunk.iter().copied().skip(from).step_by(2).collect::<Vec<_>>();
    data.chunks(chunk).flat_map(|chunk| [plane(chunk, 0), plane(chunk, 1)].concat()).collect()
}

fn measure(name: &str, (chunk, some): (usize, usize), (by, codec): (CoderChoice, Codec), data: &[u8]) {
    let what = match codec {
        Codec::Blosc(blosc) => format!("{by:?} Blosc {:?}:{} {:?}", blosc.inner, blosc.level, blosc.shuffle),
        _ => format!("{by:?} {codec:?}"),
    };
    let times = match cuda::limits::encode((0, by), &codec, (chunk, 2), data, 8) {
        Ok(times) => times,
        Err(why) => return println!("{name}, {} KiB, {what}: {why}", chunk >> 10),
    };
    let some = &data[..some];
    let device = Cuda::open(0).unwrap().with_coder(by);
    let frames = encoded(&device, &codec, some.len() / chunk, (chunk, 2), some);
    check(&codec, (chunk, 2), some, &frames);
    let size: usize = frames.iter().map(Vec::len).sum();
    let mut times: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
    times.sort_by(f64::total_cmp);
    let speed = |time: f64| data.len() as f64 / time / 1e9;
    let (median, worst, ratio) = (speed(times[4]), speed(times[7]), some.len() as f64 / size as f64);
    println!("{name}, {} KiB, {what}: {median:.1}, {worst:.1}, {ratio:.3}", chunk >> 10);
    if by == CoderChoice::Own && chunk == 256 << 10 {
        let kernels = cuda::limits::kernels(0, &codec, (chunk, 2), data).unwrap();
        let said = kernels.iter().map(|(name, time)| format!("{name} {:.0} us", time.as_secs_f64() * 1e6));
        println!("    {}", said.collect::<Vec<_>>().join(", "));
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
