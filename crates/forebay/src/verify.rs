//! Reading a whole store back, to say whether it is sound.
//!
//! What this proves, and what not: every index is whole, every chunk lies in its shard, decodes, and has the size
//! that its array says; where chunks carry a CRC-32C, their bytes are those that were written. Without it, a byte
//! that changed in a chunk is noticed only where the codec notices it: zstd often, Blosc sometimes, no codec never.
//! Levels of an image are compared by their extents, not by their elements.

use std::sync::atomic::AtomicU64;

use format::Level;
use rayon::prelude::*;
use serde_json::Value;

use crate::contents::{Contents, Shard, Unpublished};
use crate::hierarchy::{self, Found, Hierarchy, below};
use crate::layout::Layout;
use crate::readback::{Progress, Readback};
use crate::{Error, Image, Target};

/// What was read back of a store.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Verified {
    /// Its arrays, by path.
    pub arrays: Vec<ArrayCheck>,
    /// What is wrong. Empty: the store is sound.
    pub damage: Vec<Damage>,
    /// Objects that readers do not see, because no document publishes them: no damage.
    pub unpublished: Vec<Unpublished>,
    /// Keys of objects that belong to no array: no damage.
    pub unknown: Vec<String>,
    /// Metadata that forebay does not understand and did not need.
    pub notes: Vec<String>,
}

/// What was read back of one array.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArrayCheck {
    /// Its path below the store; empty for the root.
    pub path: String,
    /// Its shape, as published.
    pub shape: Vec<u64>,
    /// Shards that were read.
    pub shards: u64,
    /// Shards inside the shape that are not there. Damage where forebay wrote the array; elsewhere they hold the
    /// fill value.
    pub absent_shards: u128,
    /// Chunks that were read and decoded; damaged ones do not count.
    pub chunks: u64,
    /// Chunks that their shards leave out: they hold the fill value.
    pub absent_chunks: u64,
    /// Bytes of the shards.
    pub stored_bytes: u64,
    /// Bytes of these chunks, decoded.
    pub decoded_bytes: u64,
    /// Whether its chunks carry a CRC-32C. Without it a changed byte inside a chunk may go unnoticed.
    pub crc32c: bool,
    /// Whether the run that wrote it was closed; `None` where forebay did not write it.
    pub complete: Option<bool>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Key of the object.
    pub key: String,
    /// What is wrong with it: which chunk, where, what was expected and what was found.
    pub what: String,
}

/// Missing shards that are named one by one; a damaged shape may promise more than anybody can list.
const NAMED: usize = 1000;

impl Verified {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }
}

/// Reads every shard of a store back. `progress` hears of bytes read and of all bytes, from several threads.
///
/// One chunk for each thread is in memory, and the indexes of a few shards. A store that is being written can be
/// verified: it is checked as far as it was published when this began.
///
/// # Errors
/// There is no store; the store cannot be listed; an array has a feature that forebay does not read.
pub fn verify(target: impl Into<Target>, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Verified, Error> {
    let store = hierarchy::open(&target.into())?;
    // Documents before the listing of shards: a run that goes on adds shards first and publishes them then.
    let found = Hierarchy::read(&*store)?;
    let layouts = layouts(&found.arrays)?;
    let contents = Contents::sort(&found.arrays, &layouts, store.list("")?);
    let total = contents.shards.iter().flatten().map(|s| s.size).sum();
    let progress = Progress { done: AtomicU64::new(0), total, tell: progress };
    let apart: Vec<_> = found.images.iter().flat_map(|image| levels_apart(image, &found.arrays)).collect();
    let mut verified = Verified { damage: found.broken, notes: found.notes, ..Verified::default() };
    verified.damage.extend(apart);
    let pool = pool()?;
    for ((found, layout), shards) in found.arrays.iter().zip(&layouts).zip(&contents.shards) {
        let readback = Readback { store: &*store, array: &found.array, layout, progress: &progress };
        let mut check = ArrayCheck::new(found);
        verified.damage.extend(check.absent(found, layout, shards, &contents.unpublished));
        pool.install(|| check.read(&readback, shards, &mut verified.damage));
        verified.arrays.push(check);
    }
    let Contents { unpublished, unknown, .. } = contents;
    Ok(Verified { unpublished, unknown, ..verified })
}

/// Layouts of all arrays.
pub(crate) fn layouts(arrays: &[Found]) -> Result<Vec<Layout>, Error> {
    let layout = |found: &Found| {
        let refuse = |message| Error::Metadata { key: below(&found.path, "zarr.json"), message };
        Layout::new(&found.array).map_err(refuse)
    };
    arrays.iter().map(layout).collect()
}

/// Whether the run that wrote the array was closed; `None` where forebay did not write it.
pub(crate) fn complete(array: &format::Array) -> Option<bool> {
    Some(array.attributes.get("forebay")?.get("complete").and_then(Value::as_bool).unwrap_or(false))
}

/// Levels of an image that forebay closed whose extents are not those that follow from the finest one and from their scales:
/// half as long, rounded up, as often as the spacing doubled. While a run goes on each level ends where its shards do.
fn levels_apart(image: &Image, arrays: &[Found]) -> Vec<Damage> {
    let find = |level: &Level| {
        let path = below(&image.path, &level.path);
        let found = arrays.iter().find(|a| a.path == path && complete(&a.array) == Some(true));
        found.filter(|a| a.array.shape.len() == level.scale.len())
    };
    let levels = &image.multiscales.levels;
    let Some((first, base)) = levels.first().and_then(|l| Some((l, find(l)?))) else { return vec![] };
    let apart = |level: &Level| {
        let found = find(level)?;
        // Exact, as it was written: somebody may have mended a scale since.
        let times =
            |(s, b): (&f64, &f64)| Some((s / b) as u64).filter(|t| t.is_power_of_two() && *t as f64 == s / b);
        let times: Vec<_> = level.scale.iter().zip(&first.scale).map(times).collect::<Option<_>>()?;
        let due: Vec<_> = base.array.shape.iter().zip(times).map(|(n, t)| n.div_ceil(t)).collect();
        let shape = &found.array.shape;
        let what = format!("the shape is {shape:?}; it is {due:?} by that of `{}` and the scales", base.path);
        (*shape != due).then(|| Damage { key: below(&found.path, "zarr.json"), what })
    };
    levels[1..].iter().filter_map(apart).collect()
}

/// Threads that read and decode: as many as there are cores.
fn pool() -> Result<rayon::ThreadPool, Error> {
    let pool = rayon::ThreadPoolBuilder::new().thread_name(|i| format!("forebay-verify-{i}")).build();
    pool.map_err(|e| store::Error::new(store::Operation::Open, "", e).into())
}

impl ArrayCheck {
    fn new(found: &Found) -> ArrayCheck {
        ArrayCheck {
            path: found.path.clone(),
            shape: found.array.shape.clone(),
            shards: 0,
            absent_shards: 0,
            chunks: 0,
            absent_chunks: 0,
            stored_bytes: 0,
            decoded_bytes: 0,
            crc32c: found.array.crc32c,
            complete: complete(&found.array),
        }
    }

    /// Counts the shards that are not there. forebay writes each one inside the shape, so that one which it did
    /// not leave is damage; other writers leave out shards of nothing but the fill value.
    fn absent(
        &mut self,
        found: &Found,
        layout: &Layout,
        shards: &[Shard],
        unpublished: &[Unpublished],
    ) -> Vec<Damage> {
        self.absent_shards = layout.shards().saturating_sub(shards.len() as u128);
        if self.complete.is_none() || self.absent_shards == 0 {
            return vec![];
        }
        let present: Vec<_> = shards.iter().map(|s| s.coords.as_slice()).collect();
        let key = |coords: &Vec<u64>| below(&found.path, &found.array.separator.key(coords));
        let named = layout.absent(&present, NAMED);
        let mut damage: Vec<_> =
            named.iter().map(|c| missing(key(c), &found.array.shape, unpublished)).collect();
        let more = self.absent_shards - named.len() as u128;
        if more > 0 {
            let what = format!("{more} more shards of the shape {:?} are missing", found.array.shape);
            damage.push(Damage { key: below(&found.path, "zarr.json"), what });
        }
        damage
    }

    /// Reads the shards back, some at a time: no more indexes than those are in memory.
    fn read(&mut self, readback: &Readback<'_>, shards: &[Shard], damage: &mut Vec<Damage>) {
        for some in shards.chunks(4 * rayon::current_num_threads()) {
            let outcomes: Vec<_> = some.par_iter().map(|s| readback.shard(s)).collect();
            for (shard, outcome) in some.iter().zip(outcomes) {
                self.shards += 1;
                self.chunks += outcome.chunks;
                self.absent_chunks += outcome.absent_chunks;
                self.stored_bytes += shard.size;
                let key = &shard.key;
                damage.extend(outcome.faults.into_iter().map(|what| Damage { key: key.clone(), what }));
            }
        }
        self.decoded_bytes = self.chunks.saturating_mul(readback.layout.chunk_bytes as u64);
    }
}

fn missing(key: String, shape: &[u64], unpublished: &[Unpublished]) -> Damage {
    let unfinished = unpublished.iter().find(|u| u.unfinished && u.key == key);
    let left =
        unfinished.map_or(String::new(), |u| format!("; an unfinished one of {} bytes is there", u.size));
    Damage { key, what: format!("missing: it lies inside the shape {shape:?}{left}") }
}
