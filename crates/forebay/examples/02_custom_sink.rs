//! A store of one's own: keeps objects in memory and says when each shard is there, as something that sends shards
//! to a viewer would.
//!
//! `cargo run --release -p forebay --example 02_custom_sink`

use std::ops::Range;
use std::sync::Arc;

use forebay::store::{Done, Entry, Error, Memory, Object, Part, Store};
use forebay::{Array, DType, Dim, Options, Writer};

/// Hands everything to another store and watches.
struct Watched(Memory);

impl Store for Watched {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        println!("{key}: {} bytes of metadata", bytes.len());
        self.0.put(key, bytes)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key)
    }

    fn get_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        self.0.get_range(key, range)
    }

    fn size(&self, key: &str) -> Result<Option<u64>, Error> {
        self.0.size(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        self.0.list(prefix)
    }

    fn create(&self, key: &str) -> Result<Box<dyn Object>, Error> {
        Ok(Box::new(Shard { key: key.to_owned(), inner: self.0.create(key)? }))
    }

    fn sync(&self) -> Result<(), Error> {
        self.0.sync()
    }
}

/// A shard under construction.
struct Shard {
    key: String,
    inner: Box<dyn Object>,
}

impl Object for Shard {
    fn append(&mut self, offset: u64, part: Part) -> Result<(), Error> {
        self.inner.append(offset, part)
    }

    fn finalize(self: Box<Self>, length: u64, done: Done) {
        let key = self.key;
        let told = move |result: Result<(), Error>| {
            println!("{key}: {length} bytes, {}", if result.is_ok() { "finished" } else { "failed" });
            done(result);
        };
        self.inner.finalize(length, Box::new(told));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dims = vec![
        Dim::unbounded("t").chunk(4).chunks_per_shard(2),
        Dim::new("y", 128).chunk(64).chunks_per_shard(2),
        Dim::new("x", 128).chunk(64).chunks_per_shard(2),
    ];
    let store: Arc<dyn Store> = Arc::new(Watched(Memory::new()));
    let mut writer = Writer::open(store, &Array::new(DType::U8, dims), Options::default())?;
    for t in 0..20u8 {
        writer.append(&vec![t; 128 * 128])?;
    }
    let report = writer.close()?;
    println!("shape {:?}", report.shape);
    Ok(())
}
