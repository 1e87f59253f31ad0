//! Stores that are sound, and stores that are damaged in every way that a disk or a person can think of.

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use common::{Case, noise};
use forebay::store::{Memory, Store};
use forebay::{
    Array, Blosc, BloscInner, Codec, DType, Damage, Dim, Options, Pyramid, Reducer, Shuffle, Target,
    Verified, Writer, inspect, verify,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Of 20 slices: 4 x 2 x 2 shards of 2 x 2 x 2 chunks.
fn array(codec: Codec, crc32c: bool) -> Array {
    let dims = vec![
        Dim::unbounded("t").chunk(3).chunks_per_shard(2).scale(0.5, "second"),
        Dim::new("y", 50).chunk(16).chunks_per_shard(2).scale(0.65, "micrometer"),
        Dim::new("x", 70).chunk(32).chunks_per_shard(2),
    ];
    Array { codec, crc32c, ..Array::new(DType::U16, dims) }
}

fn blosc(inner: BloscInner, shuffle: Shuffle) -> Codec {
    Codec::Blosc(Blosc { inner, level: 5, shuffle, block: None })
}

fn codecs() -> Vec<Codec> {
    let inner = [BloscInner::Lz4, BloscInner::Zstd].into_iter();
    let shuffle = [Shuffle::No, Shuffle::Byte, Shuffle::Bit];
    let blosc = inner.flat_map(|i| shuffle.map(|s| blosc(i, s)));
    [Codec::None, Codec::Zstd { level: 1 }, FAST].into_iter().chain(blosc).collect()
}

const FAST: Codec =
    Codec::Blosc(Blosc { inner: BloscInner::Fast, level: 1, shuffle: Shuffle::Byte, block: None });

/// In memory, so that no test waits for a disk.
fn write(array: &Array) -> Arc<dyn Store> {
    Case::new(array.clone()).write(&noise(20 * 50 * 70 * 2), 1 << 20).1
}

/// The same in a folder, where objects can be removed.
fn on_disk(store: &dyn Store) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in store.list("").unwrap() {
        let path = folder.path().join(&entry.key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, store.get(&entry.key).unwrap().unwrap()).unwrap();
    }
    folder
}

fn check(target: impl Into<Target>) -> Verified {
    verify(target, &|_, _| {}).unwrap()
}

/// What is said of the one key that is damaged.
fn damaged(target: impl Into<Target>, key: &str) -> Vec<String> {
    let verified = check(target);
    assert!(!verified.is_sound(), "damage of {key} was not noticed");
    let said = |d: Damage| {
        assert_eq!(d.key, key, "{}", d.what);
        d.what
    };
    verified.damage.into_iter().map(said).collect()
}

/// Does `change` to an object, demands damage there that says `word`, and puts the object back.
fn harm(store: &Arc<dyn Store>, key: &str, word: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let good = store.get(key).unwrap().unwrap();
    let mut bad = good.clone();
    change(&mut bad);
    store.put(key, &bad).unwrap();
    let said = damaged(store.clone(), key);
    assert!(said.iter().any(|s| s.contains(word)), "{said:?} does not say {word}");
    store.put(key, &good).unwrap();
}

fn len(store: &Arc<dyn Store>, key: &str) -> usize {
    store.size(key).unwrap().unwrap() as usize
}

fn edit(store: &Arc<dyn Store>, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&store.get("0/zarr.json").unwrap().unwrap()).unwrap();
    change(&mut value);
    store.put("0/zarr.json", value.to_string().as_bytes()).unwrap();
}

/// A shard's index is the last of its bytes: 8 entries and a checksum.
const INDEX: usize = 8 * 16 + 4;

#[test]
fn what_forebay_writes_is_sound() {
    for codec in codecs() {
        for (crc32c, plain) in [(false, false), (true, true)] {
            let store = write(&Array { plain, ..array(codec, crc32c) });
            let verified = check(store.clone());
            assert_eq!(verified.damage, [], "{codec:?} {crc32c} {plain}");
            assert!(verified.unpublished.is_empty() && verified.unknown.is_empty());
            let [array] = &verified.arrays[..] else { panic!("one array") };
            assert_eq!((array.path.as_str(), array.complete), (if plain { "" } else { "0" }, Some(true)));
            // 7 x 4 x 3 chunks lie inside the shape, in 4 x 2 x 2 shards.
            assert_eq!((array.shards, array.chunks), (16, 84));
            assert_eq!(array.decoded_bytes, 84 * 3 * 16 * 32 * 2);
        }
    }
}

/// How it was written is in the attributes; what it is, is what every reader knows.
#[test]
fn the_fast_coder_writes_zstd_at_level_1() {
    let store = write(&array(FAST, false));
    let document: Value = serde_json::from_slice(&store.get("0/zarr.json").unwrap().unwrap()).unwrap();
    assert_eq!(document["attributes"]["forebay"]["requested_codec"], "blosc-zstd:fast");
    let blosc = &document["codecs"][0]["configuration"]["codecs"][1]["configuration"];
    assert_eq!((&blosc["cname"], &blosc["clevel"]), (&json!("zstd"), &json!(1)));
    let read = inspect(store).unwrap().arrays[0].codec;
    assert_eq!(
        read,
        Codec::Blosc(Blosc { inner: BloscInner::Zstd, level: 1, shuffle: Shuffle::Byte, block: None })
    );
}

#[test]
fn progress_ends_at_the_bytes_of_all_shards() {
    let store = write(&array(Codec::Zstd { level: 1 }, false));
    let most = std::sync::Mutex::new((0, 0));
    let verified = verify(store.clone(), &|done, total| {
        let mut most = most.lock().unwrap();
        *most = (most.0.max(done), total);
    });
    let stored = verified.unwrap().arrays[0].stored_bytes;
    assert_eq!(most.into_inner().unwrap(), (stored, stored));
}

#[test]
fn an_empty_run_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    Writer::open(folder.path(), &array(Codec::None, false), Options::default()).unwrap().close().unwrap();
    let verified = check(folder.path());
    assert!(verified.is_sound());
    assert_eq!(verified.arrays[0].shards, 0);
}

#[test]
fn with_checksums_every_changed_byte_of_a_shard_is_noticed() {
    for codec in [Codec::None, blosc(BloscInner::Lz4, Shuffle::Byte)] {
        let store = write(&array(codec, true));
        let len = len(&store, "0/c/1/0/0");
        for at in (0..len - INDEX).step_by(len / 23).chain(len - INDEX..len) {
            harm(&store, "0/c/1/0/0", "checksum", |b| b[at] ^= 0x10);
        }
    }
}

#[test]
fn without_checksums_a_changed_index_is_noticed_and_a_changed_element_cannot_be() {
    let store = write(&array(Codec::None, false));
    let len = len(&store, "0/c/1/0/0");
    for at in len - INDEX..len {
        harm(&store, "0/c/1/0/0", "shard index has checksum", |b| b[at] ^= 1);
    }
    let mut bytes = store.get("0/c/1/0/0").unwrap().unwrap();
    bytes[77] ^= 1;
    store.put("0/c/1/0/0", &bytes).unwrap();
    assert!(check(store.clone()).is_sound());
}

#[test]
fn a_shard_that_was_cut_is_damaged_wherever_it_was_cut() {
    for (codec, crc32c) in [(Codec::None, false), (Codec::Zstd { level: 1 }, true)] {
        let store = write(&array(codec, crc32c));
        let len = len(&store, "0/c/0/1/0");
        let short = "of which its index alone has 132";
        for to in [0, 1, 4, INDEX - 1] {
            harm(&store, "0/c/0/1/0", short, |b| b.truncate(to));
        }
        for to in [INDEX, INDEX + 1, len / 2, len - INDEX, len - INDEX + 1, len - 20, len - 4, len - 1] {
            harm(&store, "0/c/0/1/0", "shard index", |b| b.truncate(to));
        }
    }
}

/// Puts other numbers in the index, with the checksum that they need.
fn forge(shard: &mut [u8], chunk: usize, change: impl FnOnce(&mut u64, &mut u64)) {
    let index = shard.len() - INDEX;
    let word = |b: &[u8], at: usize| u64::from_le_bytes(b[at..at + 8].try_into().unwrap());
    let at = index + 16 * chunk;
    let (mut offset, mut size) = (word(shard, at), word(shard, at + 8));
    change(&mut offset, &mut size);
    shard[at..at + 8].copy_from_slice(&offset.to_le_bytes());
    shard[at + 8..at + 16].copy_from_slice(&size.to_le_bytes());
    let end = shard.len() - 4;
    let checksum = crc32c::crc32c(&shard[index..end]).to_le_bytes();
    shard[end..].copy_from_slice(&checksum);
}

#[test]
fn an_index_that_lies_is_not_believed() {
    let store = write(&array(Codec::Zstd { level: 1 }, false));
    let lie = |word: &str, change: fn(&mut u64, &mut u64)| {
        harm(&store, "0/c/0/0/0", word, |b| forge(b, 5, change));
    };
    let good = check(store.clone()).arrays[0].chunks;
    lie("chunk 5 (1/0/1 of the array)", |o, _| *o = 1 << 40);
    lie("lies outside of the shard's chunks", |_, s| *s = 1 << 62);
    lie("end beyond 2^64", |o, _| *o = u64::MAX);
    lie("overlaps chunk 0", |o, _| *o = 1);
    lie("damaged zstd chunk", |_, s| *s = 0);
    lie("damaged zstd chunk", |_, s| *s -= 1);
    harm(&store, "0/c/0/0/0", "more than any encoder makes", |b| {
        let mut long = vec![0; 1 << 20];
        long.append(b);
        *b = long;
        forge(b, 5, |o, s| (*o, *s) = (1 << 18, 1 << 18));
    });
    let mut bytes = store.get("0/c/0/0/0").unwrap().unwrap();
    forge(&mut bytes, 5, |_, s| *s -= 1);
    store.put("0/c/0/0/0", &bytes).unwrap();
    assert_eq!(check(store.clone()).arrays[0].chunks, good - 1);
}

#[test]
fn a_missing_shard_inside_the_shape_is_damage() {
    let folder = on_disk(&*write(&array(Codec::Zstd { level: 1 }, false)));
    let shard = folder.path().join("0/c/2/1/0");
    fs::rename(&shard, shard.with_extension("partial")).unwrap();
    let said = damaged(folder.path(), "0/c/2/1/0");
    assert!(said[0].contains("missing: it lies inside the shape [20, 50, 70]"), "{said:?}");
    assert!(said[0].contains("an unfinished one of"), "{said:?}");
}

#[test]
fn a_shape_that_promises_too_much_ends_and_is_damage() {
    let store = write(&array(Codec::Zstd { level: 1 }, false));
    edit(&store, |v| v["shape"] = json!([u64::MAX, u64::MAX, 70]));
    let verified = check(store.clone());
    assert_eq!(verified.damage.len(), 1001);
    assert!(verified.damage[1000].what.contains("more shards"), "{:?}", verified.damage[1000]);
}

/// Their shards are all there, and one level is a row short: readers would show another place for it.
#[test]
fn levels_that_do_not_fit_each_other_are_damage() {
    let dims = ["t", "y", "x"].map(str::to_owned).to_vec();
    let pyramid = Pyramid { dims, reducer: Reducer::Max, append: None, levels: None, keep_aspect: false };
    let store = write(&Array { pyramid: Some(pyramid), ..array(Codec::Zstd { level: 1 }, false) });
    let verified = check(store.clone());
    assert!(verified.is_sound() && verified.arrays.len() == 3, "{:?}", verified.damage);
    let shorter = |bytes: &mut Vec<u8>| {
        let mut document: Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(document["shape"], json!([5, 13, 18]));
        document["shape"][1] = json!(12);
        *bytes = document.to_string().into_bytes();
    };
    harm(&store, "2/zarr.json", "it is [5, 13, 18] by that of `0`", shorter);
    // Of scales that somebody made from the sizes nothing follows.
    let group = store.get("zarr.json").unwrap().unwrap();
    let mut document: Value = serde_json::from_slice(&group).unwrap();
    let datasets = &mut document["attributes"]["ome"]["multiscales"][0]["datasets"];
    datasets[1]["coordinateTransformations"][0]["scale"][2] = json!(35.5 / 18.0);
    store.put("zarr.json", document.to_string().as_bytes()).unwrap();
    assert!(check(store.clone()).is_sound());
    store.put("zarr.json", &group).unwrap();
    // What is still being written ends where its shards do.
    edit(&store, |v| v["attributes"]["forebay"]["complete"] = json!(false));
    edit(&store, |v| v["shape"][0] = json!(18));
    assert!(check(store.clone()).is_sound());
}

#[test]
fn other_writers_leave_out_shards_of_the_fill_value() {
    let store = write(&array(Codec::Zstd { level: 1 }, false));
    edit(&store, |v| v["attributes"] = json!({}));
    let folder = on_disk(&*store);
    fs::remove_file(folder.path().join("0/c/2/1/0")).unwrap();
    let verified = check(folder.path());
    assert!(verified.is_sound());
    assert_eq!((verified.arrays[0].absent_shards, verified.arrays[0].complete), (1, None));
}

#[test]
fn what_is_not_published_is_listed_and_no_damage() {
    let folder = on_disk(&*write(&array(Codec::Zstd { level: 1 }, false)));
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("0/c/9/0")).unwrap();
    fs::write(at("0/c/9/0/1"), [0; 10]).unwrap();
    fs::write(at("0/c/9/0/0.partial"), [0; 20]).unwrap();
    fs::write(at("notes.txt"), "of mine").unwrap();
    let verified = check(folder.path());
    assert!(verified.is_sound());
    let list: Vec<_> = verified.unpublished.iter().map(|u| (u.key.as_str(), u.size, u.unfinished)).collect();
    assert_eq!(list, [("0/c/9/0/0", 20, true), ("0/c/9/0/1", 10, false)]);
    assert_eq!(verified.unknown, ["notes.txt"]);
}

#[test]
fn a_run_that_goes_on_is_sound_as_far_as_it_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(folder.path(), &array(Codec::None, true), Options::default()).unwrap();
    for _ in 0..5 {
        writer.append(&noise(7 * 50 * 70 * 2)).unwrap();
        writer.flush().unwrap();
        let verified = check(folder.path());
        assert_eq!(verified.damage, []);
        assert_eq!(verified.arrays[0].complete, Some(false));
    }
    writer.close().unwrap();
    assert_eq!(check(folder.path()).arrays[0].shape, [35, 50, 70]);
}

#[test]
fn a_broken_document_is_named() {
    let store = write(&array(Codec::Zstd { level: 1 }, false));
    for key in ["zarr.json", "0/zarr.json"] {
        let len = len(&store, key);
        for to in [0, 1, len / 2, len - 3] {
            harm(&store, key, "zarr.json is no JSON", |b| b.truncate(to));
        }
    }
    let folder = on_disk(&*store);
    fs::remove_file(folder.path().join("0/zarr.json")).unwrap();
    assert!(damaged(folder.path(), "0/zarr.json")[0].contains("the image above it names this array"));
    assert!(inspect(folder.path()).unwrap_err().to_string().starts_with("0/zarr.json: missing"));
}

#[test]
fn what_forebay_does_not_read_is_refused_by_the_name_of_its_field() {
    let refused = |change: fn(&mut Value), words: &[&str]| {
        let store = write(&array(Codec::Zstd { level: 1 }, false));
        edit(&store, change);
        let errors = [verify(store.clone(), &|_, _| {}).map(drop), inspect(store.clone()).map(drop)];
        for said in errors.map(|e| e.unwrap_err().to_string()) {
            assert!(words.iter().all(|w| said.contains(w)), "{said}");
        }
    };
    refused(|v| v["data_type"] = json!("complex64"), &["0/zarr.json: `data_type`", "complex64"]);
    refused(|v| v["codecs"] = json!([{ "name": "bytes" }]), &["`codecs[0]`", "sharded arrays only"]);
    let huge = |v: &mut Value| {
        v["chunk_grid"]["configuration"]["chunk_shape"] = json!([1u64 << 63, 32, 64]);
        v["codecs"][0]["configuration"]["chunk_shape"] = json!([1u64 << 63, 16, 32]);
    };
    refused(huge, &["0/zarr.json: `codecs[0].configuration.chunk_shape`", "than a computer addresses"]);
}

#[test]
fn a_path_that_is_no_store_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let check = |path: PathBuf, word: &str| {
        let said = verify(path.as_path(), &|_, _| {}).unwrap_err().to_string();
        assert!(said.contains(word) && said.contains(path.to_str().unwrap()), "{said}");
    };
    check(folder.path().join("absent"), "nothing is there");
    assert!(!folder.path().join("absent").exists());
    check(folder.path().to_owned(), "no zarr.json");
    fs::write(folder.path().join(".zgroup"), "{}").unwrap();
    check(folder.path().join(".zgroup"), "no folder");
    check(folder.path().to_owned(), "Zarr v2");
}

#[test]
fn a_store_says_what_it_holds() {
    let store = write(&array(blosc(BloscInner::Lz4, Shuffle::Bit), true));
    let held = inspect(store.clone()).unwrap();
    let image = &held.images[0].multiscales;
    let axes: Vec<_> = image.axes.iter().map(|a| (a.name.as_str(), a.unit.as_deref())).collect();
    assert_eq!(axes, [("t", Some("second")), ("y", Some("micrometer")), ("x", None)]);
    assert_eq!(image.levels[0].scale, [0.5, 0.65, 1.0]);
    let array = &held.arrays[0];
    assert_eq!(array.codec_words(), "blosc, lz4 level 5, bit shuffle, crc32c");
    assert_eq!((&array.shape[..], &array.chunk_shape[..]), (&[20, 50, 70][..], &[3, 16, 32][..]));
    assert_eq!((array.chunks, array.shards, array.stored_shards), (84, 16, 16));
    assert_eq!(array.stored_bytes, check(store.clone()).arrays[0].stored_bytes);
    assert_eq!((array.complete, array.writer.as_deref()), (Some(true), Some(forebay::about().version)));
}

#[test]
fn several_images_in_one_store_are_all_read() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    store.put("zarr.json", br#"{"zarr_format":3,"node_type":"group"}"#).unwrap();
    let one = write(&array(Codec::Zstd { level: 1 }, false));
    for (entry, name) in one.list("").unwrap().iter().flat_map(|e| [(e, "a"), (e, "b/c")]) {
        store.put(&format!("{name}/{}", entry.key), &one.get(&entry.key).unwrap().unwrap()).unwrap();
    }
    let paths: Vec<_> = check(store.clone()).arrays.into_iter().map(|a| (a.path, a.shards)).collect();
    assert_eq!(paths, [("a/0".to_owned(), 16), ("b/c/0".to_owned(), 16)]);
    harm(&store, "b/c/0/c/0/0/0", "shard index", |b| *b.last_mut().unwrap() ^= 1);
}

/// Stores of each codec, without checksums and with them; a test that harms one mends it.
static EACH: LazyLock<Vec<Arc<dyn Store>>> = LazyLock::new(|| {
    let both = |codec| [false, true].map(|crc32c| write(&array(codec, crc32c)));
    codecs().into_iter().flat_map(both).collect()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes anywhere: noticed in the right shard where there are checksums, and never a panic.
    #[test]
    fn damage_anywhere_is_found_where_it_is(
        codec in 0..8usize,
        shard in 0..16usize,
        harms in prop::collection::vec((any::<prop::sample::Index>(), 1..=u8::MAX), 1..6),
        crc32c: bool,
    ) {
        let store = &EACH[2 * codec + usize::from(crc32c)];
        let key = format!("0/c/{}/{}/{}", shard / 4, shard / 2 % 2, shard % 2);
        let good = store.get(&key).unwrap().unwrap();
        let mut bad = good.clone();
        harms.iter().for_each(|(at, by)| bad[at.index(good.len())] ^= by);
        store.put(&key, &bad).unwrap();
        let verified = check(store.clone());
        store.put(&key, &good).unwrap();
        prop_assert!(verified.damage.iter().all(|d| d.key == key), "{:?}", verified.damage);
        let index = good[good.len() - INDEX..] != bad[good.len() - INDEX..];
        prop_assert!(!verified.is_sound() || bad == good || !(crc32c || index));
    }
}
