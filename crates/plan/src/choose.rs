//! Chunk and shard shapes, and sizes of batches and staging, where the user left them out.

use crate::axes::Order;
use crate::{Codec, Config, Dim, Facts, Kind, Tuning};

/// Bytes that a chosen chunk comes close to: small enough to fetch alone, large enough to compress well.
const CHUNK_BYTES: u64 = 1 << 20;
/// Elements of a chosen chunk along an axis of space in the plane of an image.
const PLANE: u64 = 512;
/// Bytes (before compression) that a chosen shard comes close to.
const SHARD_BYTES: u64 = 256 << 20;
/// Chunks of a chosen shard, at the most: readers fetch its index whole, half a mebibyte for so many, and a run holds the indexes of
/// all shards that are open.
const SHARD_CHUNKS: u64 = 1 << 15;

/// Bytes of a batch and of a staging slot on the host: more would only leave the cache.
const ON_HOST: (u64, u64) = (32 << 20, 8 << 20);
/// On a device with memory of its own each batch and each copy costs a round of launches and waits, and its codec is
/// faster the more chunks it is given: these are milliseconds of the link to it. Slots that are filled by copying and go up beside
/// copies down are faster of this size than of the double and the half (`docs/measurements`).
const ON_DEVICE: (u64, u64) = (256 << 20, 32 << 20);
/// A batch there that is compressed.
const COMPRESSED_ON_DEVICE: u64 = 512 << 20;

/// Bytes (before compression) that a batch shall come close to.
pub(crate) fn batch_bytes(tuning: &Tuning, codec: &Codec, facts: &Facts) -> u64 {
    let usual = match facts.own.bytes {
        None => ON_HOST.0,
        Some(_) if codec.is_none() => ON_DEVICE.0,
        Some(_) => COMPRESSED_ON_DEVICE,
    };
    tuning.batch_bytes.unwrap_or(usual)
}

/// Bytes of a staging slot, at the least a frame.
pub(crate) fn staging_bytes(tuning: &Tuning, facts: &Facts) -> u64 {
    let usual = if facts.own.bytes.is_some() { ON_DEVICE.1 } else { ON_HOST.1 };
    tuning.staging_bytes.unwrap_or(usual)
}

/// Fills in `chunk` and `chunks_per_shard` where they are `None`.
pub(crate) fn choose(config: &Config, order: &Order) -> Vec<Dim> {
    let element = config.dtype.size() as u64;
    let mut asked = config.dims.clone();
    loop {
        let mut dims = asked.clone();
        choose_chunks(&mut dims, element);
        let Some(d) = never_meets(config, &asked, order.append_dims(&dims)) else {
            choose_shards(&mut dims, element);
            return dims;
        };
        asked[d].chunk = Some(2);
    }
}

/// A dimension that a pyramid halves and whose chunk is free, but of which two elements would never be in memory at once: it
/// is one of the `append` first, and not the last of them.
fn never_meets(config: &Config, asked: &[Dim], append: usize) -> Option<usize> {
    let halved = |name: &String| config.pyramid.iter().any(|p| p.dims.contains(name));
    let free = |d: &Dim| d.chunk.is_none() && d.size != Some(1);
    asked[..append - 1].iter().position(|d| free(d) && halved(&d.name))
}

/// The image plane first, then depth, then time, by powers of two.
fn choose_chunks(dims: &mut [Dim], element: u64) {
    let open: Vec<usize> = (0..dims.len()).filter(|&d| dims[d].chunk.is_none()).collect();
    let rank = dims.len();
    for &d in &open {
        let in_plane = d + 2 >= rank && dims[d].axis_kind() == Kind::Space || rank == 1;
        let most = if rank == 1 { CHUNK_BYTES / element } else { PLANE };
        dims[d].chunk = Some(if in_plane { dims[d].size.unwrap_or(most).clamp(1, most) } else { 1 });
    }
    let bytes = |dims: &[Dim]| dims.iter().fold(element, |b, d| b.saturating_mul(d.chunk.unwrap_or(1)));
    let grows = |dims: &[Dim], d: usize, kind| d + 2 < rank && dims[d].axis_kind() == kind;
    for kind in [Kind::Space, Kind::Time, Kind::Other] {
        let growing: Vec<_> = open.iter().copied().rev().filter(|&d| grows(dims, d, kind)).collect();
        for d in growing {
            let mut chunk = 1u64;
            while chunk.saturating_mul(2) <= dims[d].size.unwrap_or(u64::MAX)
                && bytes(dims).saturating_mul(2) <= CHUNK_BYTES
            {
                chunk *= 2;
                dims[d].chunk = Some(chunk);
            }
        }
    }
}

/// From the inside out: whole extents until the shard is large enough, in bytes or in chunks.
fn choose_shards(dims: &mut [Dim], element: u64) {
    let chunk = |d: &Dim| d.chunk.unwrap_or(1).max(1);
    let given = |all: u64, d: &Dim| all.saturating_mul(d.chunks_per_shard.unwrap_or(1).max(1));
    let mut count = dims.iter().fold(1, given);
    let chunk_bytes = dims.iter().fold(element, |b, d| b.saturating_mul(chunk(d)));
    let most = (SHARD_BYTES / chunk_bytes.max(1)).min(SHARD_CHUNKS);
    for d in (0..dims.len()).rev() {
        if dims[d].chunks_per_shard.is_some() {
            continue;
        }
        let room = (most / count).max(1);
        let grid = dims[d].size.map_or(u64::MAX, |s| s.div_ceil(chunk(&dims[d])).max(1));
        let chunks = room.min(grid);
        dims[d].chunks_per_shard = Some(chunks);
        count = count.saturating_mul(chunks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Memory, OwnMemory, Plan, Pyramid, Reducer};

    const FACTS: Facts = Facts {
        memory: Memory::Host,
        alignment: 0,
        gate: true,
        process: 0,
        own: OwnMemory { bytes: None, codec: 0, codec_per_chunk: 0, codec_most: None },
    };

    fn chosen(dims: &[Dim], dtype: DType) -> (Vec<u64>, Vec<u64>) {
        chosen_for(Config { plain: true, ..Config::new(dtype, dims.to_vec()) })
    }

    fn chosen_for(config: Config) -> (Vec<u64>, Vec<u64>) {
        let dims = choose(&config, &Order::derive(&config).unwrap());
        (
            dims.iter().map(|d| d.chunk.unwrap()).collect(),
            dims.iter().map(|d| d.chunks_per_shard.unwrap()).collect(),
        )
    }

    #[test]
    fn chunks_come_close_to_a_mebibyte_and_shards_to_a_quarter_gibibyte() {
        let camera = [Dim::unbounded("t"), Dim::new("y", 2048), Dim::new("x", 2048)];
        assert_eq!(chosen(&camera, DType::U16), (vec![2, 512, 512], vec![16, 4, 4]));
        let stack =
            [Dim::new("t", 9), Dim::new("c", 2), Dim::new("z", 40), Dim::new("y", 64), Dim::new("x", 64)];
        assert_eq!(chosen(&stack, DType::U16).0, vec![4, 1, 32, 64, 64]);
        assert_eq!(chosen(&[Dim::unbounded("t")], DType::U32).0, vec![1 << 18]);
    }

    /// Of tiny chunks so many that the index of a shard stays small.
    #[test]
    fn a_chosen_shard_has_no_more_chunks_than_its_index_is_worth() {
        let tiny = |chunk| {
            [Dim::unbounded("t").chunk(chunk), Dim::new("y", 10).chunk(4), Dim::new("x", 10).chunk(4)]
        };
        assert_eq!(chosen(&tiny(2), DType::U16).1, [(1 << 15) / 9, 3, 3]);
        assert_eq!(chosen(&[Dim::unbounded("t").chunk(2)], DType::U8).1, [1 << 15]);
        // What was given is the user's, and leaves the rest.
        let [t, y, x] = tiny(1);
        assert_eq!(chosen(&[t, y, x.chunks_per_shard(100_000)], DType::U16).1, [1, 1, 100_000]);
        let config = Config { plain: true, ..Config::new(DType::U16, tiny(2).to_vec()) };
        let held = Plan::new(&config, &Tuning::default(), FACTS).unwrap().budget.total();
        assert!(held < 100 * MIB, "{held} bytes for frames of 200");
    }

    #[test]
    fn what_was_given_stays() {
        let camera =
            [Dim::unbounded("t").chunk(3), Dim::new("y", 100).chunks_per_shard(7), Dim::new("x", 10)];
        assert_eq!(chosen(&camera, DType::U16).0, vec![3, 100, 10]);
        assert_eq!(chosen(&camera, DType::U16).1[1], 7);
    }

    /// Two frames of a dimension that is halved must be in memory at once.
    #[test]
    fn chunks_let_frames_meet_that_a_pyramid_halves() {
        let chunks = |halved: &[&str], [t, c, z]: [Dim; 3]| {
            let dims = vec![t, c, z, Dim::new("y", 1024), Dim::new("x", 1024)];
            let asked = Pyramid {
                dims: halved.iter().map(|&d| d.to_owned()).collect(),
                reducer: Reducer::Mean,
                append: None,
                levels: Some(3),
                keep_aspect: false,
            };
            let config = Config { pyramid: Some(asked), ..Config::new(DType::U16, dims) };
            Plan::new(&config, &Tuning::default(), FACTS).unwrap();
            chosen_for(config).0[..3].to_vec()
        };
        let stack = || [Dim::unbounded("t"), Dim::new("c", 2), Dim::new("z", 50)];
        assert_eq!(chunks(&["y", "x"], stack()), [1, 1, 2]);
        assert_eq!(chunks(&["z", "y", "x"], stack()), [1, 1, 2]);
        // The plane of an image is half a mebibyte.
        assert_eq!(chunks(&["t", "y", "x"], stack()), [2, 1, 1]);
        assert_eq!(chunks(&["t", "c"], stack()), [2, 1, 1]);
        // The last of the dimensions along which epochs follow one another.
        assert_eq!(chunks(&["c", "y"], stack()), [1, 1, 2]);
        let [t, c, z] = stack();
        assert_eq!(chunks(&["t"], [t, c.chunk(2), z]), [1, 2, 1]);
        // One element is never halved.
        let [_, c, z] = stack();
        assert_eq!(chunks(&["t", "y"], [Dim::new("t", 1), c, z]), [1, 1, 2]);
    }

    /// A plan of a camera for a device with so many bytes of its own; `None`: the host.
    fn plan(codec: Codec, own: Option<u64>, tuning: Tuning) -> Plan {
        let side = |n: &str| Dim::new(n, 2048).chunk(512).chunks_per_shard(4);
        let dims = vec![Dim::unbounded("t").chunk(2).chunks_per_shard(4), side("y"), side("x")];
        let config = Config { codec, ..Config::new(DType::U16, dims) };
        let memory = if own.is_some() { Memory::Device } else { Memory::Host };
        let own = OwnMemory { bytes: own, ..OwnMemory::default() };
        Plan::new(&config, &tuning, Facts { memory, alignment: 0, gate: true, process: 0, own }).unwrap()
    }

    /// A codec that works batch by batch needs more for larger ones; one that goes through them in groups, up to so much.
    #[test]
    fn what_a_codec_works_in_is_counted_up_to_its_most() {
        let free = plan(ZSTD, Some(100 << 30), Tuning::default());
        let counted = |codec_most| {
            let own = OwnMemory { codec: 5 * MIB, codec_per_chunk: MIB, codec_most, ..free.facts.own };
            let facts = Facts { own, ..free.facts };
            let dims = free.dims.clone();
            let config = Config { codec: ZSTD, ..Config::new(DType::U16, dims) };
            let on_device = Plan::new(&config, &Tuning::default(), facts).unwrap().budget.split().0;
            on_device - free.budget.split().0
        };
        let all = 5 * MIB + free.batch_chunks() * MIB;
        assert_eq!(counted(None), all);
        assert_eq!(counted(Some(all + 1)), all);
        assert_eq!(counted(Some(7 * MIB)), 7 * MIB);
    }

    const ZSTD: Codec = Codec::Zstd { level: 1 };
    const MIB: u64 = 1 << 20;

    #[test]
    fn batches_and_staging_suit_the_device_unless_they_are_given() {
        let check = |codec, own, tuning, want: (u64, u64)| {
            let plan = plan(codec, own, tuning);
            assert_eq!(
                (plan.batch_chunks() * plan.chunk_bytes, plan.staging_bytes),
                want,
                "{codec:?} {own:?}"
            );
            assert!(plan.fitted.is_empty(), "{:?}", plan.fitted);
        };
        let (usual, large) = (Tuning::default(), Some(100 << 30));
        check(Codec::None, None, usual, (32 * MIB, 8 * MIB));
        check(ZSTD, None, usual, (32 * MIB, 8 * MIB));
        check(Codec::None, large, usual, (256 * MIB, 32 * MIB));
        check(ZSTD, large, usual, (512 * MIB, 32 * MIB));
        let given = Tuning { batch_bytes: Some(16 * MIB), staging_bytes: Some(9 * MIB), ..usual };
        check(ZSTD, large, given, (16 * MIB, 9 * MIB));
        check(ZSTD, None, given, (16 * MIB, 9 * MIB));
        let only_staging = Tuning { staging_bytes: Some(9 * MIB), ..usual };
        check(Codec::None, large, only_staging, (256 * MIB, 9 * MIB));
    }

    #[test]
    fn what_suits_the_device_still_fits_its_memory_and_the_cap() {
        let small = plan(ZSTD, Some(1 << 30), Tuning::default());
        let (on_device, _) = small.budget.split();
        assert!(on_device <= 1 << 30, "{on_device}");
        assert_eq!((small.batch_epochs, small.staging_bytes), (8, 32 * MIB));
        assert_eq!(small.fitted, ["epochs a batch 32 to 8"]);
        let capped =
            plan(Codec::None, Some(100 << 30), Tuning { memory: Some(96 * MIB), ..Tuning::default() });
        let (_, on_host) = capped.budget.split();
        assert!(on_host <= 96 * MIB, "{on_host}");
        // Batches first, and then staging, which had been large.
        assert_eq!(capped.fitted[0], "epochs a batch 16 to 1");
        assert_eq!(capped.fitted[1], "bytes of staging 33554432 to 16777216");
    }
}
