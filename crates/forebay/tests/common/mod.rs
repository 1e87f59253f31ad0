//! An independent reader of what forebay writes: zarr.json by field, shards by their index, elements by their
//! coordinates. It shares no code with the writer but the codecs' decoders.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::Arc;

use forebay::store::{Memory, Store};
use forebay::{Array, Options, Report, Writer};
use serde_json::Value;

/// One array and how it is written.
pub(crate) struct Case {
    pub(crate) array: Array,
    pub(crate) options: Options,
}

impl Case {
    pub(crate) fn new(array: Array) -> Case {
        Case { array, options: Options::default() }
    }

    /// Writes `bytes` in appends of `step`.
    pub(crate) fn write(&self, bytes: &[u8], step: usize) -> (Report, Arc<dyn Store>) {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let mut writer = Writer::open(store.clone(), &self.array, self.options.clone()).unwrap();
        for part in bytes.chunks(step) {
            writer.append(part).unwrap();
        }
        (writer.close().unwrap(), store)
    }

    /// All elements, in acquisition order.
    pub(crate) fn read(&self, store: &Arc<dyn Store>) -> Vec<u8> {
        let alone = self.array.plain && self.array.pyramid.is_none();
        let path = if alone { "" } else { "0/" };
        let stored = Stored::open(&**store, path);
        let names: Vec<_> = self.array.dims.iter().map(|d| d.name.clone()).collect();
        stored.read(&**store, path, &names, self.array.dtype.size())
    }
}

/// All elements of a level of a pyramid, in acquisition order, and its extents.
pub(crate) fn read_level(store: &Arc<dyn Store>, array: &Array, level: usize) -> (Vec<usize>, Vec<u8>) {
    let path = format!("{level}/");
    let stored = Stored::open(&**store, &path);
    let names: Vec<_> = array.dims.iter().map(|d| d.name.clone()).collect();
    let place = |name: &String| stored.shape[stored.names.iter().position(|n| n == name).unwrap()];
    let shape = names.iter().map(place).collect();
    (shape, stored.read(&**store, &path, &names, array.dtype.size()))
}

/// Bytes that repeat with no small period and still compress.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i as u64 / 3).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 57) as u8).collect()
}

struct Stored {
    shape: Vec<usize>,
    shard: Vec<usize>,
    chunk: Vec<usize>,
    names: Vec<String>,
    codecs: Vec<Value>,
    fill: Value,
    dtype: String,
}

fn numbers(v: &Value) -> Vec<usize> {
    v.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

impl Stored {
    fn open(store: &dyn Store, path: &str) -> Stored {
        let document = store.get(&format!("{path}zarr.json")).unwrap().expect("zarr.json");
        let v: Value = serde_json::from_slice(&document).unwrap();
        let sharding = &v["codecs"][0];
        assert_eq!(sharding["name"], "sharding_indexed");
        assert_eq!(sharding["configuration"]["index_location"], "end");
        Stored {
            shape: numbers(&v["shape"]),
            shard: numbers(&v["chunk_grid"]["configuration"]["chunk_shape"]),
            chunk: numbers(&sharding["configuration"]["chunk_shape"]),
            names: v["dimension_names"]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n.as_str().unwrap().into())
                .collect(),
            codecs: sharding["configuration"]["codecs"].as_array().unwrap()[1..].to_vec(),
            fill: v["fill_value"].clone(),
            dtype: v["data_type"].as_str().unwrap().into(),
        }
    }

    fn read(&self, store: &dyn Store, path: &str, acquired: &[String], size: usize) -> Vec<u8> {
        let total: usize = self.shape.iter().product();
        let mut out = self.fill_bytes(size).repeat(total);
        let rank = self.shape.len();
        let place: Vec<usize> =
            self.names.iter().map(|n| acquired.iter().position(|a| a == n).unwrap()).collect();
        let mut sizes = vec![0; rank];
        (0..rank).for_each(|d| sizes[place[d]] = self.shape[d]);
        let grid: Vec<usize> = (0..rank).map(|d| self.shape[d].div_ceil(self.shard[d])).collect();
        for shard in indexes(&grid) {
            let key: Vec<_> = shard.iter().map(ToString::to_string).collect();
            let bytes = store.get(&format!("{path}c/{}", key.join("/"))).unwrap();
            let bytes = bytes.unwrap_or_else(|| panic!("shard {key:?} is inside the shape {:?}", self.shape));
            let per: Vec<usize> = (0..rank).map(|d| self.shard[d] / self.chunk[d]).collect();
            let count: usize = per.iter().product();
            let index = bytes.len() - 16 * count - 4;
            for (n, inner) in indexes(&per).into_iter().enumerate() {
                let word =
                    |i: usize| u64::from_le_bytes(bytes[index + 8 * (2 * n + i)..][..8].try_into().unwrap());
                if word(0) == u64::MAX {
                    continue;
                }
                let encoded = &bytes[word(0) as usize..][..word(1) as usize];
                let chunk = self.decode(encoded, size);
                for (e, at) in indexes(&self.chunk).into_iter().enumerate() {
                    let full: Vec<usize> = (0..rank)
                        .map(|d| shard[d] * self.shard[d] + inner[d] * self.chunk[d] + at[d])
                        .collect();
                    if (0..rank).any(|d| full[d] >= self.shape[d]) {
                        continue;
                    }
                    let mut coordinates = vec![0; rank];
                    (0..rank).for_each(|d| coordinates[place[d]] = full[d]);
                    let linear = coordinates.iter().zip(&sizes).fold(0, |l, (c, s)| l * s + c);
                    out[linear * size..][..size].copy_from_slice(&chunk[e * size..][..size]);
                }
            }
        }
        out
    }

    fn decode(&self, encoded: &[u8], size: usize) -> Vec<u8> {
        let mut bytes = encoded.to_vec();
        let chunk = self.chunk.iter().product::<usize>() * size;
        for codec in self.codecs.iter().rev() {
            match codec["name"].as_str().unwrap() {
                "crc32c" => {
                    let body = bytes.len() - 4;
                    let crc = u32::from_le_bytes(bytes[body..].try_into().unwrap());
                    bytes.truncate(body);
                    assert_eq!(crc, crc_by_bits(&bytes));
                }
                "zstd" => {
                    let mut out = vec![0; chunk];
                    let codec = forebay::Codec::Zstd { level: 1 };
                    host::codec::Decoder::new().decode(&codec, &bytes, &mut out).unwrap();
                    bytes = out;
                }
                "blosc" => {
                    let mut out = vec![0; chunk];
                    // The frame says by itself what it holds.
                    let codec = forebay::Codec::Blosc(forebay::Blosc {
                        inner: match codec["configuration"]["cname"].as_str().unwrap() {
                            "lz4" => forebay::BloscInner::Lz4,
                            _ => forebay::BloscInner::Zstd,
                        },
                        level: 1,
                        shuffle: forebay::Shuffle::No,
                        block: None,
                    });
                    host::codec::Decoder::new().decode(&codec, &bytes, &mut out).unwrap();
                    bytes = out;
                }
                other => panic!("codec {other}"),
            }
        }
        assert_eq!(bytes.len(), chunk);
        bytes
    }

    fn fill_bytes(&self, size: usize) -> Vec<u8> {
        if let (Some(i), false) = (self.fill.as_i64(), self.dtype.starts_with("float")) {
            return i.to_le_bytes()[..size].to_vec();
        }
        match (self.dtype.as_str(), self.fill.as_f64()) {
            ("float64", Some(f)) => f.to_le_bytes().to_vec(),
            ("float32", Some(f)) => (f as f32).to_le_bytes().to_vec(),
            ("float16", Some(f)) => half::f16::from_f64(f).to_le_bytes().to_vec(),
            _ => panic!("fill {} of {}", self.fill, self.dtype),
        }
    }
}

/// All indexes below `extents`, row-major.
fn indexes(extents: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &n in extents {
        all = all.into_iter().flat_map(|p| (0..n).map(move |i| [p.clone(), vec![i]].concat())).collect();
    }
    all
}

fn crc_by_bits(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for b in bytes {
        crc ^= u32::from(*b);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    !crc
}
