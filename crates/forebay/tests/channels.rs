//! What an image says of its channels: while it is written, when it is closed, and when it is not.

use std::sync::Arc;

use forebay::store::{Memory, Store};
use forebay::{
    Array, Channels, DType, Dim, NamedChannel, Options, Pyramid, Reducer, Tuning, WindowOf, Writer,
};
use serde_json::{Value, json};

/// 3 x 4 pixels of two channels, again and again.
fn array() -> Array {
    let dims = vec![
        Dim::unbounded("t").chunk(2),
        Dim::new("c", 2).chunk(1),
        Dim::new("y", 3).chunk(2),
        Dim::new("x", 4).chunk(4),
    ];
    Array::new(DType::I16, dims)
}

/// Bytes of one frame of both.
const FRAME: usize = 2 * 3 * 4 * 2;

fn options(window: WindowOf) -> Options {
    let named = vec![NamedChannel::new("DAPI").color([0, 0, 255]), NamedChannel::new("GFP")];
    let tuning = Tuning { batch_bytes: Some(200), staging_bytes: Some(4096), ..Tuning::default() };
    Options { channels: Some(Channels { named, window }), tuning, ..Options::default() }
}

/// Frames in which the first channel goes from -200 on up, and the second from 1000 on down.
fn frames(count: i16) -> Vec<u8> {
    let pixel = |i: i16| {
        let (frame, place) = (i / 24, i % 24);
        if place < 12 { frame * 12 + place - 200 } else { 1000 - frame * 12 - (place - 12) }
    };
    (0..count * 24).flat_map(|i| pixel(i).to_le_bytes()).collect()
}

fn omero(store: &Arc<dyn Store>) -> Value {
    let document: Value = serde_json::from_slice(&store.get("zarr.json").unwrap().unwrap()).unwrap();
    document["attributes"]["ome"].get("omero").cloned().unwrap_or_default()
}

fn window(min: f64, max: f64) -> Value {
    json!({ "min": min, "max": max, "start": min, "end": max })
}

fn described(first: &Value, second: &Value) -> Value {
    json!({ "channels": [
        { "label": "DAPI", "color": "0000FF", "active": true, "window": first },
        { "label": "GFP", "color": "FF00FF", "active": true, "window": second },
    ] })
}

fn open(options: Options) -> (Arc<dyn Store>, Writer) {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    (store.clone(), Writer::open(store, &array(), options).unwrap())
}

#[test]
fn nobody_asks_and_nothing_is_said() {
    let (store, mut writer) = open(Options::default());
    writer.append(&frames(3)).unwrap();
    writer.close().unwrap();
    assert_eq!(omero(&store), Value::Null);
}

#[test]
fn windows_are_those_of_the_type() {
    let (store, mut writer) = open(options(WindowOf::Type));
    let whole = window(-32768.0, 32767.0);
    let want = described(&whole, &whole);
    assert_eq!(omero(&store), want);
    writer.append(&frames(3)).unwrap();
    writer.close().unwrap();
    assert_eq!(omero(&store), want);
}

/// However the bytes get there: in small appends, in large ones, in place, and from the caller's own memory.
#[test]
fn windows_are_those_of_the_data_when_it_is_closed() {
    let (whole, bytes) = (window(-32768.0, 32767.0), frames(40));
    let want = described(&window(-200.0, 279.0), &window(521.0, 1000.0));
    type Feed = fn(&mut Writer, &[u8]);
    let feeds: [Feed; 4] = [
        |writer, bytes| bytes.chunks(7).for_each(|part| writer.append(part).unwrap()),
        |writer, bytes| writer.append(bytes).unwrap(),
        |writer, bytes| {
            for part in bytes.chunks(FRAME - 1) {
                let mut lent = writer.reserve(FRAME).unwrap();
                lent[..part.len()].copy_from_slice(part);
                // What lies behind is not taken, and what is not committed is not either.
                lent[part.len()..].fill(0x7F);
                lent.commit(part.len()).unwrap();
                writer.reserve(FRAME).unwrap().fill(0x7F);
            }
        },
        |writer, bytes| {
            let mut memory = writer.register(vec![0x7F; 3 * FRAME]).unwrap();
            for part in bytes.chunks(3 * FRAME - 5) {
                memory.bytes_mut().unwrap()[..part.len()].copy_from_slice(part);
                writer.append_registered(&mut memory, part.len()).unwrap();
            }
        },
    ];
    for (number, feed) in feeds.into_iter().enumerate() {
        let (store, mut writer) = open(options(WindowOf::Data));
        feed(&mut writer, &bytes);
        writer.flush().unwrap();
        assert_eq!(omero(&store), described(&whole, &whole), "{number}: until the close");
        writer.close().unwrap();
        assert_eq!(omero(&store), want, "{number}");
    }
}

/// What is refused does not count.
#[test]
fn bytes_past_the_end_are_not_data() {
    let mut bounded = array();
    bounded.dims[0].size = Some(2);
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let mut writer = Writer::open(store.clone(), &bounded, options(WindowOf::Data)).unwrap();
    writer.append(&frames(2)).unwrap();
    writer.append(&frames(100)).unwrap_err();
    writer.append(&frames(100)[..FRAME]).unwrap_err();
    let mut lent = writer.reserve(FRAME).unwrap();
    lent.fill(0x7F);
    lent.commit(FRAME).unwrap_err();
    writer.close().unwrap();
    assert_eq!(omero(&store), described(&window(-200.0, -177.0), &window(977.0, 1000.0)));
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.zarr");
    Writer::open(path.as_path(), &array(), Options::default()).unwrap().close().unwrap();
    let before = std::fs::read(path.join("zarr.json")).unwrap();
    let one = Channels { named: vec![NamedChannel::new("one")], window: WindowOf::Type };
    let options = Options { channels: Some(one), overwrite: true, ..Options::default() };
    let said = Writer::open(path.as_path(), &array(), options.clone()).err().unwrap().to_string();
    assert_eq!(said, "channels: 1 are named, and `c` has 2; name each of them once");
    assert_eq!(forebay::plan_for(&array(), &options).unwrap_err().to_string(), said);
    // A mean of two dyes is neither.
    let dims = vec!["c".to_owned(), "y".to_owned()];
    let pyramid = Pyramid { dims, reducer: Reducer::Mean, append: None, levels: Some(1), keep_aspect: false };
    let halved = Array { pyramid: Some(pyramid), ..array() };
    let options = Options { overwrite: true, ..self::options(WindowOf::Type) };
    let said = Writer::open(path.as_path(), &halved, options).err().unwrap().to_string();
    let remedy = "leave channels and window out, or do not halve `c`";
    assert_eq!(said, format!("channels: a coarser level would not have all of `c`; {remedy}"));
    assert_eq!(std::fs::read(path.join("zarr.json")).unwrap(), before);
}
