//! Random plans, streams and cuts against an independent reader.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::{Case, noise};
use forebay::store::Store;
use forebay::{
    Array, Blosc, BloscInner, Codec, DType, DeviceChoice, Dim, Fill, Mode, Options, Shuffle, Tuning, Writer,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

#[derive(Clone, Debug)]
struct Run {
    array: Array,
    tuning: Tuning,
    device_memory: bool,
    device: DeviceChoice,
    /// Bytes that the store takes multiples of; 0: any.
    alignment: u64,
    gate: bool,
    /// Bytes of the stream, at most what the array holds.
    bytes: usize,
    /// Bytes of each append, again and again.
    appends: Vec<usize>,
    /// How each of them is done, again and again; none: by `append`.
    ways: Vec<Way>,
    /// A flush after this many appends.
    flush_every: usize,
    interval: Duration,
}

/// How bytes reach the writer.
#[derive(Clone, Copy, Debug)]
enum Way {
    Append,
    Reserve,
    Register,
    /// A reservation that is given up, then an append.
    DropIt,
}

fn codecs() -> impl Strategy<Value = Codec> {
    let blosc = (any::<bool>(), 0u8..=6, 0..3usize, prop_oneof![Just(None), (128u32..5000).prop_map(Some)]);
    let blosc = blosc.prop_map(|(lz4, level, shuffle, block)| {
        let inner = if lz4 { BloscInner::Lz4 } else { BloscInner::Zstd };
        let shuffle = [Shuffle::No, Shuffle::Byte, Shuffle::Bit][shuffle];
        Codec::Blosc(Blosc { inner, level, shuffle, block })
    });
    prop_oneof![Just(Codec::None), (0..=4i32).prop_map(|level| Codec::Zstd { level }), blosc]
}

fn dims() -> impl Strategy<Value = Vec<Dim>> {
    let dim = (1u64..8, 1u64..6, 1u64..4);
    (prop::collection::vec(dim, 1..6), any::<bool>()).prop_map(|(dims, bounded)| {
        let dim = |(d, (size, chunk, shard)): (usize, (u64, u64, u64))| {
            // Dimension 0 is longer, so that runs cross rows of shards.
            let size = if d == 0 { size * 5 } else { size };
            // A chunk of 1 in front makes the dimensions behind it append dimensions too.
            let chunk = if chunk > 4 { 1 } else { chunk };
            let base =
                if d == 0 && !bounded { Dim::unbounded("d0") } else { Dim::new(format!("d{d}"), size) };
            base.chunk(chunk).chunks_per_shard(shard)
        };
        dims.into_iter().enumerate().map(dim).collect()
    })
}

fn arrays() -> impl Strategy<Value = Array> {
    (dims(), codecs(), any::<bool>(), 0..11usize, any::<bool>(), any::<bool>())
        .prop_flat_map(|(dims, codec, crc32c, dtype, moved, filled)| {
            let dtype = DType::ALL[dtype];
            let fill = filled.then(|| Fill::parse("37", dtype).unwrap());
            let array = Array { codec, crc32c, fill, plain: true, ..Array::new(dtype, dims) };
            let inner: Vec<usize> = (1..array.dims.len()).collect();
            (Just(array), Just(inner).prop_shuffle(), Just(moved))
        })
        .prop_map(|(array, inner, moved)| {
            let names = std::iter::once(0).chain(inner).map(|d| array.dims[d].name.clone());
            let order = moved.then(|| names.collect());
            Array { order, ..array }
        })
}

fn runs() -> impl Strategy<Value = Run> {
    let modes = prop::sample::select(vec![Mode::Pipelined, Mode::DrainBeforeKick, Mode::DrainAfterKick]);
    let tuning = (2u32..5, 1u64..6000, Just(4096u64), modes);
    let stream = (0.0..1.2f64, prop::collection::vec(1usize..6000, 1..6), 0usize..40, any::<bool>());
    let ways = prop::collection::vec(
        prop::sample::select(vec![Way::Append, Way::Reserve, Way::Register, Way::DropIt]),
        0..5,
    );
    let sink = (any::<bool>(), prop::sample::select(vec![0u64, 0, 8, 512, 4096]), any::<bool>());
    (arrays(), tuning, stream, ways, sink).prop_map(|(array, tuning, stream, ways, sink)| {
        let (device_memory, alignment, gate) = sink;
        let (slots, batch, staging, mode) = tuning;
        let (part, appends, flush_every, eager) = stream;
        let inner: u64 = array.dims[1..].iter().map(|d| d.size.unwrap()).product();
        let slice = inner as usize * array.dtype.size();
        let most = array.dims[0].size.unwrap_or(30) as usize * slice;
        let interval = if eager { Duration::ZERO } else { Duration::from_secs(60) };
        let bytes = ((most as f64 * part) as usize).min(most);
        // Without the gate there is no pipelined writing of whole pages.
        let mode = if alignment > 0 && !gate && mode == Mode::Pipelined { None } else { Some(mode) };
        let (batch_bytes, staging_bytes) = (Some(batch), Some(staging));
        let tuning = Tuning { slots, batch_bytes, staging_bytes, mode, memory: None };
        let device = DeviceChoice::Host;
        Run {
            array,
            tuning,
            device_memory,
            device,
            alignment,
            gate,
            bytes,
            appends,
            ways,
            flush_every,
            interval,
        }
    })
}

type Objects = BTreeMap<String, Vec<u8>>;

impl Run {
    fn options(&self) -> Options {
        let Run { tuning, device_memory, device, gate, .. } = *self;
        Options {
            tuning,
            device_memory,
            device,
            gate,
            publish_interval: self.interval,
            threads: 2,
            ..Options::default()
        }
    }

    fn stream(&self) -> (Arc<dyn Store>, Vec<u8>, forebay::Report) {
        let bytes = noise(self.bytes);
        let store: Arc<dyn Store> = Arc::new(forebay::store::Memory::with_alignment(self.alignment));
        let mut writer = Writer::open(store.clone(), &self.array, self.options()).unwrap();
        let mut rest = &bytes[..];
        let mut sizes = self.appends.iter().cycle();
        let mut memory = writer.register(vec![0; 6000]).unwrap();
        for n in 0.. {
            if rest.is_empty() {
                break;
            }
            let (part, after) = rest.split_at(sizes.next().unwrap().min(&rest.len()).to_owned());
            match self.ways.get(n % self.ways.len().max(1)) {
                Some(Way::Reserve) if part.len() as u64 <= writer.plan().staging_bytes => {
                    // More is asked for than is used, where a slot has it.
                    let spare = (part.len() / 3).min(writer.plan().staging_bytes as usize - part.len());
                    let mut lent = writer.reserve(part.len() + spare).unwrap();
                    lent.fill(0xEE);
                    lent[..part.len()].copy_from_slice(part);
                    lent.commit(part.len()).unwrap();
                }
                Some(Way::Register) if part.len() <= memory.len() => {
                    memory.bytes_mut().unwrap()[..part.len()].copy_from_slice(part);
                    writer.append_registered(&mut memory, part.len()).unwrap();
                }
                Some(Way::DropIt) => {
                    drop(writer.reserve(100).unwrap());
                    writer.append(part).unwrap();
                }
                _ => writer.append(part).unwrap(),
            }
            rest = after;
            if self.flush_every > 0 && n % self.flush_every == self.flush_every - 1 {
                writer.flush().unwrap();
            }
        }
        (store, bytes, writer.close().unwrap())
    }

    fn want(&self, bytes: &[u8], report: &forebay::Report) -> Vec<u8> {
        let slices = report.shape[0] as usize;
        let inner: u64 = self.array.dims[1..].iter().map(|d| d.size.unwrap()).product();
        let size = self.array.dtype.size();
        let fill = self.array.fill.unwrap_or(Fill::zero(self.array.dtype));
        let mut want = bytes.to_vec();
        let cut = want.len() % size;
        if cut > 0 {
            want.extend_from_slice(&fill.bytes()[cut..]);
        }
        while want.len() < slices * inner as usize * size {
            want.extend_from_slice(fill.bytes());
        }
        want
    }
}

fn shards(store: &Arc<dyn Store>) -> Objects {
    let entries = store.list("").unwrap();
    let keys = entries.into_iter().filter(|e| e.key.contains("c/")).map(|e| e.key);
    keys.map(|k| (k.clone(), store.get(&k).unwrap().unwrap())).collect()
}

/// Seconds that the GPU is tried for, and the seed of the plans.
fn gpu_time() -> (Duration, u64) {
    let number = |name: &str, usual| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(usual);
    (Duration::from_secs(number("FOREBAY_GPU_SECONDS", 60)), number("FOREBAY_GPU_SEED", 1))
}

/// Random plans on the GPU: what was appended is what is read; chunks that are not compressed are stored byte by byte as the
/// host stores them.
#[test]
#[ignore = "needs a GPU"]
fn streams_come_back_from_the_gpu() {
    #[expect(clippy::disallowed_methods, reason = "how long to try is for the person who waits")]
    let ((time, seed), start) = (gpu_time(), std::time::Instant::now());
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = proptest::test_runner::TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &bytes);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let (mut tried, mut on_gpu) = (0, 0);
    while start.elapsed() < time {
        let mut run = runs().new_tree(&mut runner).unwrap().current();
        run.device_memory = false;
        if let Codec::Blosc(_) = run.array.codec {
            run.array.codec = if tried % 4 == 0 { Codec::Zstd { level: 0 } } else { Codec::None };
        }
        let gpu = Run { device: DeviceChoice::Cuda(0), ..run.clone() };
        tried += 1;
        if forebay::device_for(&gpu.array, &gpu.options()).is_err() {
            // Chunks that its codec does not take; a GPU that is not there is found below.
            continue;
        }
        on_gpu += 1;
        let (store, bytes, report) = gpu.stream();
        let case = Case { array: gpu.array.clone(), options: gpu.options() };
        assert!(case.read(&store) == gpu.want(&bytes, &report), "plan {tried} of seed {seed}: {gpu:?}");
        if gpu.array.codec == Codec::None {
            assert!(shards(&store) == shards(&run.stream().0), "plan {tried} of seed {seed}: {gpu:?}");
        }
    }
    println!(
        "{on_gpu} of {tried} random plans of seed {seed} on the GPU in {:.0} s",
        start.elapsed().as_secs_f64()
    );
    assert!(on_gpu > 10, "hardly any plan ran on a GPU");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// What was appended is what is read, and the store's bytes depend neither on how the run was cut into appends,
    /// flushes and batches, nor on the mode, nor on where
    /// the buffers lie, nor on the pages that the store takes.
    #[test]
    fn streams_come_back(run in runs()) {
        let (store, bytes, report) = run.stream();
        let case = Case { array: run.array.clone(), options: run.options() };
        prop_assert!(case.read(&store) == run.want(&bytes, &report));
        let plain = Run {
            appends: vec![usize::MAX / 2],
            ways: vec![],
            flush_every: 0,
            interval: Duration::from_secs(60),
            device_memory: !run.device_memory,
            alignment: 0,
            tuning: Tuning { slots: 2, batch_bytes: Some(1 << 16), staging_bytes: Some(1 << 16), ..Tuning::default() },
            ..run
        };
        prop_assert!(shards(&store) == shards(&plain.stream().0));
    }
}

#[test]
fn thirty_two_dimensions() {
    let mut dims = vec![Dim::unbounded("d0").chunk(2).chunks_per_shard(2)];
    dims.extend((1..32).map(|d| Dim::new(format!("d{d}"), 1 + u64::from(d % 8 == 0)).chunk(1 + d % 2)));
    let case = Case::new(Array { plain: true, ..Array::new(DType::U16, dims) });
    let bytes = noise(7 * 8 * 2);
    let (report, store) = case.write(&bytes, 5);
    assert_eq!(report.shape[0], 7);
    assert_eq!(case.read(&store), bytes);
}
