//! A system that gives no thread for the courier: the producer does its work.

mod ruled;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_flow::{Array, Engine, Setup};
use plan::{Config, DType, Dim, Facts, Memory, Plan, Tuning};
use ruled::Ruled;
use store::Store;

/// Shards and their bytes, by key.
type Objects = Vec<(String, Vec<u8>)>;

/// Streams 21 frames; the shards by key, and the extents that were published.
fn stream(without: &'static str, memory: Memory, alignment: u64) -> Result<(Objects, Vec<u64>), String> {
    let dims = vec![
        Dim::unbounded("t").chunk(2).chunks_per_shard(3),
        Dim::new("y", 20).chunk(8).chunks_per_shard(2),
        Dim::new("x", 30).chunk(16).chunks_per_shard(1),
    ];
    let tuning = Tuning { batch_bytes: Some(1), staging_bytes: Some(4096), ..Tuning::default() };
    let facts = Facts { memory, alignment, gate: true, process: 0, own: plan::OwnMemory::default() };
    let plan = Arc::new(Plan::new(&Config::new(DType::U16, dims), &tuning, facts).unwrap());
    let device = Ruled::new(memory, move |call, _| call.strip_prefix("spawn ") == Some(without));
    let (store, extents) = (store::Memory::with_alignment(alignment), Arc::new(Mutex::new(Vec::new())));
    let seen = extents.clone();
    let array = Array::open(Setup {
        engine: Engine::open(device, &plan).map_err(|e| e.to_string())?,
        plan,
        store: Arc::new(store.clone()),
        paths: vec!["0".to_owned()],
        interval: Duration::from_secs(60),
        published: Box::new(move |extents: &[u64]| {
            seen.lock().unwrap().extend(extents);
            Ok(())
        }),
    })
    .map_err(|e| e.to_string())?;
    let frames: Vec<u8> = (0..21 * 20 * 30 * 2u32).map(|i| ((i * i) >> 7) as u8).collect();
    for (n, part) in frames.chunks(1777).enumerate() {
        array.append(part).unwrap();
        if n == 5 {
            array.flush().unwrap();
        }
    }
    let closed = array.close().unwrap();
    assert_eq!((closed.extent, closed.unreached), (21, vec![]));
    let keys = store.list("").unwrap();
    let objects = keys.into_iter().map(|e| (e.key.clone(), store.get(&e.key).unwrap().unwrap()));
    let extents = extents.lock().unwrap().clone();
    Ok((objects.collect(), extents))
}

#[test]
fn the_producer_takes_over_and_the_bytes_are_the_same() {
    for (memory, alignment) in [Memory::Host, Memory::Device].into_iter().flat_map(|m| [(m, 0), (m, 512)]) {
        let (with, _) = stream("nothing", memory, alignment).unwrap();
        let (without, extents) = stream("courier", memory, alignment).unwrap();
        assert!(with.len() > 10 && with == without);
        assert_eq!(extents.last(), Some(&21));
    }
}

#[test]
fn without_a_keeper_nothing_could_be_published_in_time_and_open_says_so() {
    let said = stream("keeper", Memory::Host, 0).unwrap_err();
    assert!(said.contains("no more threads"), "{said}");
}
