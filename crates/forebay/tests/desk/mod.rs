//! What the tests of a writer have in common: a small array, and ways to look at a store.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay::store::{Memory, Store};
use forebay::{Array, Codec, DType, Dim, Error, Options, Writer};

use crate::common::Case;

pub(crate) const FRAME: usize = 40 * 30 * 2;

pub(crate) fn array() -> Array {
    let dims = vec![
        Dim::unbounded("t").chunk(2).chunks_per_shard(2),
        Dim::new("y", 40).chunk(16).chunks_per_shard(2),
        Dim::new("x", 30).chunk(16).chunks_per_shard(1),
    ];
    Array { codec: Codec::Zstd { level: 1 }, ..Array::new(DType::U16, dims) }
}

pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

#[expect(clippy::disallowed_methods, reason = "a test may look at the wall clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits until the condition holds; how long that took.
#[expect(
    clippy::disallowed_methods,
    reason = "a test may wait for something outside the process's own marks"
)]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) -> Duration {
    let start = now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: waited 20 s");
        std::thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

pub(crate) fn published(store: &Arc<dyn Store>) -> u64 {
    let bytes = store.get("0/zarr.json").unwrap().unwrap();
    serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["shape"][0].as_u64().unwrap()
}

/// Bytes of shards, finished or not.
pub(crate) fn written(store: &Arc<dyn Store>) -> u64 {
    store.list("0/c").unwrap().iter().map(|e| e.size).sum()
}

pub(crate) fn write(
    store: &Arc<dyn Store>,
    array: &Array,
    options: Options,
    frames: &[u8],
) -> Result<(), Error> {
    let mut writer = Writer::open(store.clone(), array, options)?;
    for frame in frames.chunks(FRAME) {
        writer.append(frame)?;
    }
    writer.close().map(drop)
}

/// What is published is true, in whole shards.
pub(crate) fn check_prefix(store: &Arc<dyn Store>, frames: &[u8]) {
    if store.get("0/zarr.json").unwrap().is_none() {
        return;
    }
    let extent = published(store) as usize;
    assert!(extent.is_multiple_of(4) || extent == 19, "{extent} frames are no whole shards");
    assert!(Case::new(array()).read(store) == frames[..extent * FRAME]);
}

pub(crate) fn complete(store: &dyn Store) -> bool {
    let bytes = store.get("0/zarr.json").unwrap().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    document["attributes"]["forebay"]["complete"].as_bool().unwrap()
}
