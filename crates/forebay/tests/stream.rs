//! Streams end to end, read back by an independent reader.

mod common;

use common::{Case, noise};
use forebay::{Array, Codec, DType, Dim, Options, Writer};

fn dims(t: Option<u64>) -> Vec<Dim> {
    let first = t.map_or(Dim::unbounded("t"), |t| Dim::new("t", t));
    vec![
        first.chunk(3).chunks_per_shard(2),
        Dim::new("y", 50).chunk(16).chunks_per_shard(2),
        Dim::new("x", 70).chunk(32).chunks_per_shard(2),
    ]
}

#[test]
fn frames_come_back_whatever_the_append_sizes() {
    let frames = noise(20 * 50 * 70 * 2);
    for step in [1 << 20, 50 * 70 * 2, 4097, 77] {
        let case = Case::new(Array::new(DType::U16, dims(None)));
        let (report, store) = case.write(&frames, step);
        assert_eq!(report.shape, [20, 50, 70]);
        assert_eq!(case.read(&store), frames, "appends of {step} bytes");
    }
}

#[test]
fn a_run_may_end_anywhere() {
    let frames = noise(11 * 50 * 70 * 2);
    for cut in [0, 1, 2, 6999, 7000, 7001, 3 * 7000, 10 * 7000 + 333] {
        let case = Case::new(Array::new(DType::U16, dims(Some(40))));
        let (report, store) = case.write(&frames[..cut], 1000);
        assert_eq!(report.shape[0], (cut as u64).div_ceil(7000));
        let mut want = frames[..cut].to_vec();
        want.resize(report.shape[0] as usize * 7000, 0);
        assert_eq!(report.missing_bytes as usize, want.len() - cut);
        assert_eq!(case.read(&store), want, "cut at {cut}");
    }
}

#[test]
fn bytes_past_a_bounded_size_are_refused_and_none_of_that_call_is_taken() {
    let mut array = Array::new(DType::U16, dims(Some(4)));
    array.codec = Codec::None;
    let store = store_of_one_own();
    let mut writer = Writer::open(store.clone(), &array, Options::default()).unwrap();
    let frames = noise(4 * 7000);
    writer.append(&frames[..3 * 7000]).unwrap();
    let said = writer.append(&frames[..7001]).unwrap_err().to_string();
    assert!(said.contains("7001") && said.contains("7000"), "{said}");
    writer.append(&frames[3 * 7000..]).unwrap();
    assert_eq!(writer.close().unwrap().shape, [4, 50, 70]);
    assert_eq!(Case::new(array).read(&store), frames);
}

fn store_of_one_own() -> std::sync::Arc<dyn forebay::store::Store> {
    std::sync::Arc::new(forebay::store::Memory::new())
}
