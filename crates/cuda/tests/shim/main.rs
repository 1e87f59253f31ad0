//! The kernels' own sources, run by the emulator of a GPU's threads, do what the host's kernels do: for random plans, any cut, any type.

#[path = "../../../host/tests/codec/c_blosc.rs"]
#[allow(dead_code, reason = "as above")]
mod c_blosc;
mod canaries;
mod coder;
#[path = "../../../host/tests/reduce/data.rs"]
#[allow(dead_code, reason = "the host's tests use the rest")]
mod data;
#[path = "../../../host/tests/reduce/draw.rs"]
#[allow(dead_code, reason = "as above")]
mod draw;
mod emulator;
mod fuzz;
#[path = "../made/mod.rs"]
mod made;
mod reduce;

use std::sync::{Arc, LazyLock};

use cuda::kernels;
use device::{
    AggregateJob, CopyJob, Device, FillJob, Home, NO_TAIL, Name, Read, Region, ScatterJob, Sizes, Source,
    Tails, Write,
};
use forebay_cuda as cuda;
use host::Host;
use plan::{Config, DType, Dim, Facts, Memory, Plan, Tuning};
use proptest::prelude::*;

use crate::emulator::Shim;

/// Memory of which so many bytes at the front are nobody's.
struct Bytes(Region, usize);

impl Bytes {
    fn new(bytes: &[u8]) -> Bytes {
        Bytes::behind(0, bytes)
    }

    fn behind(skipped: usize, bytes: &[u8]) -> Bytes {
        static HOST: LazyLock<Host> = LazyLock::new(|| Host::open(1).unwrap());
        let region = HOST.allocate(Home::Host, skipped + bytes.len(), Name::of("test")).unwrap();
        let this = Bytes(region, skipped);
        this.write().bytes().unwrap().copy_from_slice(bytes);
        this
    }

    fn write(&self) -> Write<'_> {
        // SAFETY: one thread, one kernel at a time.
        unsafe { Write::mint(&self.0, self.1..self.0.len()) }
    }

    fn read(&self) -> Read<'_> {
        // SAFETY: as above.
        unsafe { Read::mint(&self.0, self.1..self.0.len()) }
    }

    fn get(&self) -> Vec<u8> {
        self.read().bytes().unwrap().to_vec()
    }
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    (0..len as u64).map(|i| ((i ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

fn dims() -> impl Strategy<Value = (Vec<Dim>, Option<Vec<String>>)> {
    let dim = (1u64..20, 1u64..10);
    (prop::collection::vec(dim, 1..6), any::<bool>(), any::<prop::sample::Index>()).prop_map(
        |(sizes, turned, pick)| {
            let dim = |(i, (size, chunk)): (usize, &(u64, u64))| {
                Dim::new(format!("d{i}"), *size).chunk(*chunk.min(size)).chunks_per_shard(2)
            };
            let dims: Vec<_> = sizes.iter().enumerate().map(dim).collect();
            let mut names: Vec<_> = dims.iter().map(|d| d.name.clone()).collect();
            if turned && names.len() > 2 {
                let at = 1 + pick.index(names.len() - 1);
                names[1..].rotate_left(at - 1);
            }
            (dims, turned.then_some(names))
        },
    )
}

fn plan(dtype: DType, dims: Vec<Dim>, order: Option<Vec<String>>) -> Option<Plan> {
    let facts = Facts {
        memory: Memory::Host,
        alignment: 0,
        gate: false,
        process: 0,
        own: plan::OwnMemory::default(),
    };
    let config = Config { order, plain: true, ..Config::new(dtype, dims) };
    Plan::new(&config, &Tuning::default(), facts).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn scatter_is_the_hosts((dims, order) in dims(), which in 0..4usize, cuts in (0.0..1.0f64, 0.0..1.0f64), round in 0..3u32, filled: bool) {
        let dtype = [DType::U8, DType::U16, DType::F32, DType::I64][which];
        let Some(plan) = plan(dtype, dims, order) else { return Ok(()) };
        let (g, size) = (Arc::new(plan.scatter.clone()), plan.dtype.size());
        let all = 3 * g.epoch_elements;
        // Often at whole chunks, where elements are taken as wider ones.
        let cut = |at: f64| { let e = (at * (all + 1) as f64) as u64; if round == 0 { e / 16 * 16 } else { e } };
        let (a, b) = (cut(cuts.0).min(cut(cuts.1)), cut(cuts.0).max(cut(cuts.1)));
        let data = Bytes::new(&noise((b - a) as usize * size, all));
        let old = noise(g.pool_elements(all) as usize * size, 99);
        let (ours, theirs) = (Bytes::new(&old), Bytes::new(&old));
        let job = |pool| ScatterJob {
            geometry: g.clone(),
            first: a,
            count: b - a,
            source: if filled { Source::Fill([1, 2, 3, 4, 5, 6, 7, 8]) } else { Source::Elements(data.read()) },
            pool,
        };
        // SAFETY: everything lives until this returns, and so has the kernel.
        unsafe { kernels::scatter(&Shim::new(), &job(ours.write())) }.unwrap();
        host::kernels::run_scatter(job(theirs.write())).unwrap();
        prop_assert!(ours.get() == theirs.get(), "{g:?} {a}..{b}");
    }

    #[test]
    fn fill_is_the_hosts(which in 0..4usize, count in 0..3000usize, skip in 0..20usize) {
        let size = [1, 2, 4, 8][which];
        let old = noise(count * size + 7 + skip * size, 5);
        let (ours, theirs) = (Bytes::new(&old), Bytes::new(&old));
        let job = |to: &Bytes| {
            let len = to.0.len();
            // SAFETY: as in `Bytes::write`; the region outlives the job.
            let to = unsafe { Write::mint(&to.0, skip * size..len) };
            FillJob { element: [9, 8, 7, 6, 5, 4, 3, 2], size, to }
        };
        // SAFETY: as above.
        unsafe { kernels::fill(&Shim::new(), &job(&ours)) }.unwrap();
        host::kernels::run_fill(job(&theirs)).unwrap();
        prop_assert!(ours.get() == theirs.get());
    }

    #[test]
    fn small_copies_up_are_whole(bytes in 0..20_000usize, from in 0..40usize, to in 0..40usize) {
        let data = noise(bytes + from, 11);
        let (source, target) = (Bytes::new(&data), Bytes::new(&vec![0xEE; to + bytes + 40]));
        // SAFETY: as in `Bytes::read` and `Bytes::write`; the regions outlive the job.
        let from = unsafe { Read::mint(&source.0, from..from + bytes) };
        // SAFETY: as above.
        let there = unsafe { Write::mint(&target.0, to..to + bytes) };
        // SAFETY: as above.
        unsafe { kernels::copy_up(&Shim::new(), &CopyJob { from, to: there }) }.unwrap();
        let got = target.get();
        prop_assert!(got[to..to + bytes] == data[data.len() - bytes..]);
        prop_assert!(got[..to].iter().chain(&got[to + bytes..]).all(|b| *b == 0xEE));
    }

    #[test]
    fn aggregate_is_the_hosts(
        regions in prop::collection::vec((1..12u32, prop::option::of(0..6u32)), 1..12),
        stride in 1..3000u64, page in prop::sample::select(vec![1u64, 16, 512]), fixed: bool, crc32c: bool, seed: u64,
    ) {
        let chunks: u32 = regions.iter().map(|r| r.0).sum();
        let mut order: Vec<u32> = (0..chunks).collect();
        order.sort_by_key(|c| (u64::from(*c) ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let stride = if fixed { stride } else { stride.next_multiple_of(16) };
        let sizes: Vec<u64> = (0..u64::from(chunks)).map(|c| (c ^ seed).wrapping_mul(0xD1B5_4A32_D192_ED03) % (stride + 1)).collect();
        let source = Bytes::new(&noise(chunks as usize * stride as usize, seed));
        let words = |w: Vec<u32>| Bytes::new(&w.into_iter().flat_map(u32::to_le_bytes).collect::<Vec<_>>());
        let mut first = 0;
        let table = words(regions.iter().flat_map(|(n, tail)| {
            first += n;
            [first - n, *n, if page > 1 { tail.unwrap_or(NO_TAIL) } else { NO_TAIL }]
        }).collect());
        let (order, lengths) = (words(order), words((0..6).map(|i| i * 7919 % page as u32).collect()));
        let each = Bytes::new(&sizes.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<_>>());
        let tails = Bytes::new(&noise(6 * page as usize, seed ^ 1));
        let room = (u64::from(chunks) * (stride + 4) + regions.len() as u64 * 2 * page) as usize;
        let entries = chunks as usize + regions.len();
        // What nobody writes is the same in both: gaps between regions are compared too.
        let blank = noise(room, 3);
        let (ours, theirs) = (Bytes::new(&blank), Bytes::new(&blank));
        let (our_index, their_index) = (Bytes::new(&vec![0xEE; entries * 8]), Bytes::new(&vec![0; entries * 8]));
        let trouble = Bytes::new(&[0; 8]);
        let room = regions.len() * page as usize;
        let (our_kept, their_kept) = (Bytes::new(&vec![0; room]), Bytes::new(&vec![0; room]));
        let job = |packed, index, kept| AggregateJob {
            chunks,
            regions: regions.len() as u32,
            order: order.read(),
            table: table.read(),
            page,
            tails: (page > 1).then(|| Tails { bytes: tails.read(), lengths: lengths.read() }),
            source: source.read(),
            stride,
            sizes: if fixed { Sizes::Fixed(stride) } else { Sizes::Each(each.read()) },
            crc32c,
            packed,
            index,
            kept: (page > 1).then_some(kept),
        };
        let told = trouble.write().address().addr() as u64;
        // SAFETY: as above.
        unsafe { kernels::aggregate(&Shim::new(), &job(ours.write(), our_index.write(), our_kept.write()), told) }.unwrap();
        host::kernels::run_aggregate(job(theirs.write(), their_index.write(), their_kept.write())).unwrap();
        prop_assert!(our_index.get() == their_index.get(), "offsets");
        prop_assert!(ours.get() == theirs.get(), "bytes");
        prop_assert!(our_kept.get() == their_kept.get(), "what is left of pages");
        prop_assert_eq!(trouble.get(), vec![0; 8]);
    }
}

/// A batch that is larger than its buffer is told, and nothing is written behind it.
#[test]
fn a_batch_that_is_too_large_is_told() {
    let (order, table) = (Bytes::new(&[0; 8]), Bytes::new(&[0, 0, 0, 0, 2, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]));
    let (source, packed) = (Bytes::new(&[7; 200]), Bytes::new(&[1; 150]));
    let (index, trouble) = (Bytes::new(&[0; 24]), Bytes::new(&[0; 8]));
    let job = AggregateJob {
        chunks: 2,
        regions: 1,
        order: order.read(),
        table: table.read(),
        page: 1,
        tails: None,
        source: source.read(),
        stride: 100,
        sizes: Sizes::Fixed(100),
        crc32c: true,
        packed: packed.write(),
        index: index.write(),
        kept: None,
    };
    // SAFETY: everything lives until this returns, and so have the kernels.
    unsafe { kernels::aggregate(&Shim::new(), &job, trouble.write().address().addr() as u64) }.unwrap();
    assert_eq!(trouble.get()[0], 3);
    assert_eq!(packed.get()[..100], [7; 100]);
    assert_eq!(packed.get()[104..], [1; 46], "the second chunk did not fit");
}
