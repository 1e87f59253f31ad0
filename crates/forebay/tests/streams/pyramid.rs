//! Pyramids: every level, as it is stored, is what its definition makes of the level above, as that is stored.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{noise, read_level};
use forebay::store::{Memory, Store};
use forebay::{Array, Codec, DType, DeviceChoice, Dim, Mode, Options, Pyramid, Reducer, Tuning, Writer};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// One coarser level by its definition: windows of two along each halved dimension, frames outermost.
struct Oracle<'a> {
    /// Halved dimensions, and whether the first of them has a reducer of its own.
    halved: &'a [usize],
    reducer: Reducer,
    append: Option<(usize, Reducer)>,
}

fn reduced(reducer: Reducer, samples: &[u16]) -> u16 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let n = sorted.len();
    match reducer {
        Reducer::Mean => {
            let sum: u64 = samples.iter().map(|s| u64::from(*s)).sum();
            let (whole, rest) = (sum / n as u64, 2 * (sum % n as u64));
            let up = rest > n as u64 || (rest == n as u64 && whole % 2 == 1);
            (whole + u64::from(up)) as u16
        }
        Reducer::Min => sorted[0],
        Reducer::Max => sorted[n - 1],
        Reducer::Median => sorted[(n - 1) / 2],
        Reducer::SecondLargest => sorted[n.saturating_sub(2)],
        Reducer::SecondSmallest => sorted[1.min(n - 1)],
        Reducer::Mode => {
            let count = |v: u16| sorted.iter().filter(|s| **s == v).count();
            let most = sorted.iter().map(|s| count(*s)).max().unwrap();
            *sorted.iter().find(|s| count(**s) == most).unwrap()
        }
        Reducer::Decimate => samples[0],
    }
}

impl Oracle<'_> {
    /// The next level of an array of these extents.
    fn level(&self, shape: &[usize], elements: &[u16]) -> (Vec<usize>, Vec<u16>) {
        let to: Vec<usize> = shape
            .iter()
            .enumerate()
            .map(|(d, n)| if self.halved.contains(&d) { n.div_ceil(2) } else { *n })
            .collect();
        let made = (0..to.iter().product()).map(|linear| self.element(shape, elements, &index(&to, linear)));
        (to.clone(), made.collect())
    }

    fn element(&self, shape: &[usize], elements: &[u16], at: &[usize]) -> u16 {
        let along = |d: usize| -> Vec<usize> {
            let first = if self.halved.contains(&d) { 2 * at[d] } else { at[d] };
            let more = self.halved.contains(&d) && first + 1 < shape[d];
            if more { vec![first, first + 1] } else { vec![first] }
        };
        let samples = |own: Option<(usize, usize)>| -> Vec<u16> {
            let mut all = vec![0];
            for (d, extent) in shape.iter().enumerate() {
                let range = match own {
                    Some((dim, i)) if dim == d => vec![i],
                    _ => along(d),
                };
                all =
                    all.into_iter().flat_map(|l: usize| range.iter().map(move |i| l * extent + i)).collect();
            }
            all.into_iter().map(|l| elements[l]).collect()
        };
        match self.append {
            Some((dim, own)) if self.halved.contains(&dim) => {
                let apart = along(dim).into_iter().map(|i| reduced(self.reducer, &samples(Some((dim, i)))));
                reduced(own, &apart.collect::<Vec<_>>())
            }
            _ => reduced(self.reducer, &samples(None)),
        }
    }
}

fn index(shape: &[usize], mut linear: usize) -> Vec<usize> {
    let mut at = vec![0; shape.len()];
    for d in (0..shape.len()).rev() {
        (at[d], linear) = (linear % shape[d], linear / shape[d]);
    }
    at
}

fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect()
}

/// How a stream reaches the writer.
#[derive(Clone, Debug)]
struct Way {
    step: usize,
    /// After so many appends, again and again, everything is flushed.
    flush: usize,
    tuning: Tuning,
    device: DeviceChoice,
}

/// Writes elements, and compares every level with its definition. Returns the extents of all levels.
fn check(array: &Array, elements: &[u16], way: &Way) -> Vec<Vec<usize>> {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let Way { tuning, device, .. } = *way;
    let options = Options { tuning, device, publish_interval: Duration::from_secs(60), ..Options::default() };
    let mut writer = Writer::open(store.clone(), array, options).unwrap();
    let bytes: Vec<u8> = elements.iter().flat_map(|e| e.to_le_bytes()).collect();
    for (n, part) in bytes.chunks(way.step).enumerate() {
        writer.append(part).unwrap();
        if n % way.flush == way.flush - 1 {
            writer.flush().unwrap();
        }
    }
    writer.close().unwrap();
    let asked = array.pyramid.as_ref().unwrap();
    let dims: Vec<usize> =
        asked.dims.iter().map(|n| array.dims.iter().position(|d| d.name == *n).unwrap()).collect();
    // The same reducer makes one window of all dimensions.
    let append = asked.append.filter(|r| *r != asked.reducer).map(|r| (*dims.iter().min().unwrap(), r));
    let mut planned: Vec<_> = array.dims.iter().map(|d| d.size).collect();
    let (mut shape, above) = read_level(&store, array, 0);
    let (mut above, mut shapes) = (words(&above), vec![shape.clone()]);
    assert_eq!(above[..elements.len()], *elements, "the array itself");
    for level in 1.. {
        let levels = asked.levels.is_none_or(|most| level <= most as usize);
        let ends = |d: &usize| planned[*d].is_none_or(|n| n <= array.dims[*d].chunk.unwrap());
        let all_end = dims.iter().all(|d| ends(d) && (planned[*d].is_some() || asked.levels.is_none()));
        let there = store.get(&format!("{level}/zarr.json")).unwrap().is_some();
        assert_eq!(there, levels && !all_end, "level {level}");
        if !there {
            break;
        }
        // Until it fits in a chunk, by the extent that it was said to have; without one, as long as there are levels.
        let fits = |d: &usize| planned[*d].is_some_and(|n| n <= array.dims[*d].chunk.unwrap());
        let halved: Vec<usize> = dims.iter().copied().filter(|d| !fits(d)).collect();
        halved.iter().for_each(|d| planned[*d] = planned[*d].map(|n| n.div_ceil(2)));
        let (to, want) = Oracle { halved: &halved, reducer: asked.reducer, append }.level(&shape, &above);
        let (got_shape, got) = read_level(&store, array, level);
        assert_eq!(got_shape, to, "extents of level {level}");
        let got = words(&got);
        let wrong = want.iter().zip(&got).position(|(w, g)| w != g);
        assert_eq!(
            wrong.map(|i| (index(&to, i), want[i], got[i])),
            None,
            "level {level}: place, wanted, found"
        );
        (shape, above) = (to, want);
        shapes.push(shape.clone());
    }
    shapes
}

fn plain_way() -> Way {
    Way { step: 1 << 20, flush: usize::MAX, tuning: Tuning::default(), device: DeviceChoice::Host }
}

fn pyramid(dims: &[&str], reducer: Reducer, append: Option<Reducer>, levels: Option<u32>) -> Option<Pyramid> {
    let dims = dims.iter().map(|d| (*d).to_owned()).collect();
    Some(Pyramid { dims, reducer, append, levels, keep_aspect: false })
}

fn camera(frames: Option<u64>, chunk: u64, side: u64) -> Array {
    let first = frames.map_or(Dim::unbounded("t"), |t| Dim::new("t", t));
    let inner = |n: &str| Dim::new(n, side).chunk(4).chunks_per_shard(2);
    let dims = vec![first.chunk(chunk).chunks_per_shard(2), inner("y"), inner("x")];
    Array { codec: Codec::None, ..Array::new(DType::U16, dims) }
}

/// Adjacent frames become one whatever the chunk is: 0, 100, 200, 300 become 50, 250 and then 150.
#[test]
fn frames_meet_their_neighbours_whatever_the_chunk_is() {
    for chunk in [1, 2, 3, 5] {
        let asked = pyramid(&["t"], Reducer::Mean, None, Some(2));
        let array = Array { pyramid: asked, ..camera(None, chunk, 4) };
        let frames: Vec<u16> = (0..4 * 16).map(|i| i / 16 * 100).collect();
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let mut writer = Writer::open(store.clone(), &array, Options::default()).unwrap();
        writer.append_slice(&frames).unwrap();
        writer.close().unwrap();
        let of = |level| words(&read_level(&store, &array, level).1);
        assert_eq!(of(1), [[50; 16], [250; 16]].concat(), "chunk {chunk}");
        assert_eq!(of(2), [150; 16], "chunk {chunk}");
    }
}

#[test]
fn odd_sizes_keep_their_last_sample() {
    let asked = pyramid(&["t", "y", "x"], Reducer::Max, None, None);
    let array = Array { pyramid: asked, ..camera(Some(7), 2, 13) };
    let frames: Vec<u16> = (0..7 * 169).map(|i: u32| (i * 7919 % 1000) as u16).collect();
    let shapes = check(&array, &frames, &plain_way());
    assert_eq!(shapes, [vec![7, 13, 13], vec![4, 7, 7], vec![2, 4, 4]]);
}

fn reducers() -> impl Strategy<Value = Reducer> {
    prop::sample::select(Reducer::ALL.to_vec())
}

/// An array of two to four dimensions with a pyramid, as many elements as somebody appends, and the way they come.
fn cases() -> impl Strategy<Value = (Array, usize, Way)> {
    let dim = || (1u64..12, 1u64..5, 1u64..3);
    let dims = prop::collection::vec(dim(), 2..5);
    let flags =
        (any::<bool>(), any::<u8>(), reducers(), prop::option::of(reducers()), prop::option::of(1u32..5));
    let codec = prop::sample::select(vec![Codec::None, Codec::Zstd { level: 1 }]);
    let mode = prop::option::of(prop::sample::select(vec![Mode::DrainBeforeKick, Mode::DrainAfterKick]));
    let way = (1usize..300, 1usize..20, 1u64..2000, mode, 2u32..4);
    (dims, flags, codec, way, 0.0f64..1.3).prop_map(|(dims, flags, codec, way, share)| {
        let (bounded, which, reducer, append, levels) = flags;
        let names = ["a", "b", "c", "d"];
        let built: Vec<Dim> = dims
            .iter()
            .zip(names)
            .enumerate()
            .map(|(d, (&(size, chunk, shard), name))| {
                let dim = if d == 0 && !bounded { Dim::unbounded(name) } else { Dim::new(name, size) };
                dim.chunk(chunk).chunks_per_shard(shard)
            })
            .collect();
        // The last append dimension: the first whose chunk is more than one, or the last of those that are one.
        let ones = dims.iter().take_while(|d| d.1 == 1).count();
        let last = ones.saturating_sub(1);
        let mut halved: Vec<usize> = (last..dims.len()).filter(|d| which & (1 << d) != 0).collect();
        if halved.is_empty() {
            halved.push(dims.len() - 1);
        }
        let levels = if halved == [0] && !bounded { levels.or(Some(3)) } else { levels };
        let append = append.filter(|_| halved.contains(&last));
        let asked = halved.iter().map(|&d| names[d]).collect::<Vec<_>>();
        let pyramid = pyramid(&asked, reducer, append, levels);
        let array = Array { codec, plain: true, pyramid, ..Array::new(DType::U16, built) };
        let all: u64 = dims.iter().map(|d| d.0).product();
        let count = if bounded { share.min(1.0) } else { share } * all as f64;
        let (step, flush, batch, mode, slots) = way;
        let tuning =
            Tuning { slots, batch_bytes: Some(batch), staging_bytes: Some(4096), mode, memory: None };
        (array, count as usize, Way { step, flush, tuning, device: DeviceChoice::Host })
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(debug_assertions) { 150 } else { 600 }, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn every_level_is_made_from_the_one_above((array, count, way) in cases()) {
        let elements = words(&noise(2 * count));
        check(&array, &elements, &way);
    }
}

/// The same on the GPU, as many arrays as `FOREBAY_GPU_PLANS` says, by the seed `FOREBAY_GPU_SEED`.
#[test]
#[ignore = "needs a GPU"]
fn every_level_is_made_from_the_one_above_on_the_gpu() {
    let mut drawn = crate::plans::runner(crate::plans::number("FOREBAY_GPU_SEED", 1));
    let many = crate::plans::number("FOREBAY_GPU_PLANS", 300);
    for n in 0..many {
        let (array, count, way) = cases().new_tree(&mut drawn).unwrap().current();
        let elements = words(&noise(2 * count));
        println!("array {n}");
        check(&array, &elements, &Way { device: DeviceChoice::Cuda(0), ..way });
    }
    println!("{many} arrays with pyramids on the GPU, each level by its definition");
}
