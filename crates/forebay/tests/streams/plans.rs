//! Random arrays, streams, and ways to write them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay::store::Store;
use forebay::{
    Array, Blosc, BloscInner, Codec, CoderChoice, DType, DeviceChoice, Dim, Fill, Mode, Options, Pyramid,
    Reducer, Shuffle, Tuning, Writer,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::common::{Case, noise};

/// An array, a stream into it, and how it is written.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) array: Array,
    pub(crate) tuning: Tuning,
    pub(crate) device_memory: bool,
    pub(crate) device: DeviceChoice,
    pub(crate) coder: CoderChoice,
    /// Bytes that the store takes multiples of; 0: any.
    pub(crate) alignment: u64,
    pub(crate) gate: bool,
    /// Bytes of the stream, at most what the array holds.
    pub(crate) bytes: usize,
    /// Bytes of each append, again and again.
    pub(crate) appends: Vec<usize>,
    /// How each of them is done, again and again; none: by `append`.
    pub(crate) ways: Vec<Way>,
    /// A flush after this many appends.
    pub(crate) flush_every: usize,
    pub(crate) interval: Duration,
}

/// How bytes reach the writer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Append,
    Reserve,
    Register,
    /// A reservation that is given up, then an append.
    DropIt,
}

fn codecs() -> impl Strategy<Value = Codec> {
    let blosc = (0..3usize, 0u8..=6, 0..3usize, prop_oneof![Just(None), (128u32..5000).prop_map(Some)]);
    let blosc = blosc.prop_map(|(inner, level, shuffle, block)| {
        let inner = [BloscInner::Lz4, BloscInner::Zstd, BloscInner::Fast][inner];
        let level = if inner == BloscInner::Fast { 1 } else { level };
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

/// A pyramid for an array, in two of three: which dimensions it halves, and how.
fn pyramid(array: &Array, asked: Asked) -> Option<Pyramid> {
    let ((there, which, reducer, append, levels, keep_aspect), dims) = (asked, &array.dims);
    // The last append dimension: of those in front whose chunk is one, and which are stored as they come.
    let stays = |d: usize| array.order.as_ref().is_none_or(|order| order[..=d] == names(dims)[..=d]);
    let ones = dims.iter().enumerate().take_while(|(d, dim)| dim.chunk == Some(1) && stays(*d)).count();
    let last = ones.saturating_sub(1);
    let mut halved: Vec<usize> = (last..dims.len()).filter(|d| which & (1 << d) != 0).collect();
    if halved.is_empty() {
        halved.push(dims.len() - 1);
    }
    // What grows without end is halved without end.
    let endless = halved == [0] && dims[0].size.is_none();
    let levels = if endless { levels.or(Some(3)) } else { levels };
    let append = append.filter(|_| halved.contains(&last));
    let dims = halved.iter().map(|&d| dims[d].name.clone()).collect();
    (there > 0).then_some(Pyramid { dims, reducer, append, levels, keep_aspect })
}

type Asked = (u8, u8, Reducer, Option<Reducer>, Option<u32>, bool);

fn asked() -> impl Strategy<Value = Asked> {
    let reducers = || prop::sample::select(Reducer::ALL.to_vec());
    let levels = prop::option::of(1u32..5);
    (0..3u8, any::<u8>(), reducers(), prop::option::of(reducers()), levels, any::<bool>())
}

fn arrays() -> impl Strategy<Value = Array> {
    (dims(), codecs(), any::<bool>(), 0..11usize, any::<bool>(), any::<bool>(), asked())
        .prop_flat_map(|(dims, codec, crc32c, dtype, moved, filled, asked)| {
            let dtype = DType::ALL[dtype];
            let fill = filled.then(|| Fill::parse("37", dtype).unwrap());
            let array = Array { codec, crc32c, fill, plain: true, ..Array::new(dtype, dims) };
            let inner: Vec<usize> = (1..array.dims.len()).collect();
            (Just(array), Just(inner).prop_shuffle(), Just(moved), Just(asked))
        })
        .prop_map(|(array, inner, moved, asked)| {
            let turned = std::iter::once(0).chain(inner).map(|d| array.dims[d].name.clone());
            let order = moved.then(|| turned.collect());
            let array = Array { order, ..array };
            Array { pyramid: pyramid(&array, asked), ..array }
        })
}

fn names(dims: &[Dim]) -> Vec<String> {
    dims.iter().map(|d| d.name.clone()).collect()
}

/// Any of them.
pub(crate) fn runs() -> impl Strategy<Value = Run> {
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
        let (slots, batch_bytes, staging_bytes, mode) = tuning;
        let (part, appends, flush_every, eager) = stream;
        let inner: u64 = array.dims[1..].iter().map(|d| d.size.unwrap()).product();
        let slice = inner as usize * array.dtype.size();
        let most = array.dims[0].size.unwrap_or(30) as usize * slice;
        let interval = if eager { Duration::ZERO } else { Duration::from_secs(60) };
        let bytes = ((most as f64 * part) as usize).min(most);
        // Without the gate there is no pipelined writing of whole pages.
        let mode = if alignment > 0 && !gate && mode == Mode::Pipelined { None } else { Some(mode) };
        let (batch_bytes, staging_bytes) = (Some(batch_bytes), Some(staging_bytes));
        let tuning = Tuning { slots, batch_bytes, staging_bytes, mode, memory: None };
        let device = DeviceChoice::Host;
        Run {
            array,
            tuning,
            device_memory,
            device,
            coder: CoderChoice::default(),
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

/// What is stored, by name.
pub(crate) type Objects = BTreeMap<String, Vec<u8>>;

/// Runs by a seed, one after another.
pub(crate) struct Drawn(TestRunner);

/// Draws by a seed.
pub(crate) fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(ProptestConfig::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

impl Drawn {
    pub(crate) fn new(seed: u64) -> Drawn {
        Drawn(runner(seed))
    }

    pub(crate) fn next(&mut self) -> Run {
        runs().new_tree(&mut self.0).unwrap().current()
    }
}

impl Run {
    /// The same for the GPU with nvCOMP, whose codecs are others: `zstd` instead of Blosc, or nothing.
    pub(crate) fn on_gpu(mut self, zstd: bool) -> Run {
        self.device_memory = false;
        self.device = DeviceChoice::Cuda(0);
        self.coder = CoderChoice::Nvcomp;
        if let Codec::Blosc(_) = self.array.codec {
            self.array.codec = if zstd { Codec::Zstd { level: 0 } } else { Codec::None };
        }
        self
    }

    /// The same for the GPU with our own coder.
    pub(crate) fn on_gpu_by_us(mut self) -> Run {
        self.device_memory = false;
        self.device = DeviceChoice::Cuda(0);
        self.coder = CoderChoice::Own;
        self
    }

    /// Into a store of whole pages, with the gate or without.
    pub(crate) fn into_pages(mut self, gate: bool) -> Run {
        self.alignment = self.alignment.max(512);
        self.gate = gate;
        if !gate && self.tuning.mode == Some(Mode::Pipelined) {
            self.tuning.mode = None;
        }
        self
    }

    /// Writes it on its device, and says what is wrong with what is stored: what is read must be what was appended, and chunks
    /// that are not compressed are stored byte by byte as the host stores them.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (store, bytes, report) = self.stream();
        let case = Case { array: self.array.clone(), options: self.options() };
        if case.read(&store) != self.want(&bytes, &report) {
            return Err(format!("other elements are read: {self:?}"));
        }
        let host = Run { device: DeviceChoice::Host, ..self.clone() };
        if self.array.codec == Codec::None && shards(&store) != shards(&host.stream().0) {
            return Err(format!("other shards than the host's: {self:?}"));
        }
        Ok(())
    }

    pub(crate) fn options(&self) -> Options {
        let Run { tuning, device_memory, device, coder, gate, .. } = *self;
        Options {
            tuning,
            device_memory,
            device,
            coder,
            gate,
            publish_interval: self.interval,
            threads: 2,
            ..Options::default()
        }
    }

    /// Writes it.
    pub(crate) fn stream(&self) -> (Arc<dyn Store>, Vec<u8>, forebay::Report) {
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

    /// What must be read.
    pub(crate) fn want(&self, bytes: &[u8], report: &forebay::Report) -> Vec<u8> {
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

/// The shards of a store.
pub(crate) fn shards(store: &Arc<dyn Store>) -> Objects {
    let entries = store.list("").unwrap();
    let keys = entries.into_iter().filter(|e| e.key.contains("c/")).map(|e| e.key);
    keys.map(|k| (k.clone(), store.get(&k).unwrap().unwrap())).collect()
}

/// A number from outside.
pub(crate) fn number(name: &str, usual: u64) -> u64 {
    let said = std::env::var(name).ok();
    said.map_or(usual, |v| v.parse().unwrap_or_else(|_| panic!("{name} is `{v}`, which is no number")))
}
