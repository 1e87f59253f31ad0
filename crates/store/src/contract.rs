//! What every store promises, as one function that each implementation calls in its tests.
//!
//! It only uses the traits, so that a store of your own can be checked in the same way.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

pub use crate::aligned::Aligned;
use crate::{Done, Entry, Error, Object, Part, Payload, Store};

/// How long a part or an end may take to come back before the test says that it is lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether appended objects can be read back from a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readable {
    /// They can.
    Yes,
    /// They vanish. What is small and put whole can be read all the same.
    No,
}

/// Panics unless the stores that `make` returns, each empty, keep the contract.
pub fn check(make: &dyn Fn() -> Arc<dyn Store>, readable: Readable) {
    for case in ALWAYS {
        case(&*make());
    }
    if readable == Readable::Yes {
        for case in READABLE {
            case(&*make());
        }
    }
}

/// A part of `bytes` that nobody waits for.
pub fn part(bytes: impl AsRef<[u8]> + Send + 'static) -> Part {
    Box::new(Tracked { bytes, back: None })
}

/// A part of `bytes`, and where its result arrives. A part that is dropped instead hangs up.
pub fn tracked(bytes: impl AsRef<[u8]> + Send + 'static) -> (Part, Receiver<Result<(), Error>>) {
    let (back, result) = channel();
    (Box::new(Tracked { bytes, back: Some(back) }), result)
}

/// Something to call at an end, and where its result arrives.
pub fn ending() -> (Done, Receiver<Result<(), Error>>) {
    let (back, result) = channel();
    let done = move |end| back.send(end).unwrap_or_default();
    (Box::new(done), result)
}

/// The result that arrives, at the latest within a minute; and it must be the only one.
///
/// # Errors
/// The error that arrived.
pub fn wait(results: &Receiver<Result<(), Error>>) -> Result<(), Error> {
    let result = results.recv_timeout(PATIENCE).expect("the result never came back");
    assert!(results.recv_timeout(PATIENCE).is_err(), "the result came back twice");
    result
}

/// Finalizes `object` and waits for its end.
///
/// # Errors
/// The error that its end was told.
pub fn finalize(object: Box<dyn Object>, length: u64) -> Result<(), Error> {
    let (done, end) = ending();
    object.finalize(length, done);
    wait(&end)
}

struct Tracked<B> {
    bytes: B,
    back: Option<Sender<Result<(), Error>>>,
}

impl<B: AsRef<[u8]> + Send> Payload for Tracked<B> {
    fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    fn returned(self: Box<Self>, result: Result<(), Error>) {
        if let Some(back) = self.back {
            // Nobody listens any more after a failed test.
            back.send(result).unwrap_or_default();
        }
    }
}

type Case = fn(&dyn Store);

const ALWAYS: &[Case] = &[
    puts_whole_objects_and_replaces_them,
    absent_is_none,
    refuses_what_is_no_key,
    returns_each_part_once,
    refuses_a_wrong_offset_and_returns_the_part,
    refuses_a_broken_page,
    refuses_bytes_beside_a_page_of_memory,
    takes_no_bytes_from_anywhere,
    refuses_an_end_beyond_the_bytes,
    finalizes_without_appends,
    dropping_abandons,
];

const READABLE: &[Case] = &[
    is_visible_only_when_finalized,
    appends_in_order,
    cuts_to_the_length,
    replaces_by_finalizing,
    reads_ranges,
    objects_grow_beside_each_other,
    one_object_at_a_key,
    lists_folders_and_flags_the_unfinished,
];

fn puts_whole_objects_and_replaces_them(store: &dyn Store) {
    for bytes in [&b"first, and longer"[..], b"second", b""] {
        store.put("a/zarr.json", bytes).expect("put");
        assert_eq!(store.get("a/zarr.json").expect("get").as_deref(), Some(bytes));
        assert_eq!(store.size("a/zarr.json").expect("size"), Some(bytes.len() as u64));
    }
    let entries = store.list("").expect("list");
    assert_eq!(entries, [finished("a/zarr.json", 0)], "a put leaves nothing beside its object");
    store.sync().expect("sync");
}

fn absent_is_none(store: &dyn Store) {
    store.put("a/b", b"x").expect("put");
    for key in ["b", "a", "a/b/c", "a/c"] {
        assert_eq!(store.get(key).expect("get"), None, "{key}");
        assert_eq!(store.size(key).expect("size"), None, "{key}");
        assert!(store.get_range(key, 0..0).is_err(), "{key}");
    }
    assert_eq!(store.list("c").expect("list"), []);
}

fn refuses_what_is_no_key(store: &dyn Store) {
    for key in ["", "/a", "../a", "a/./b", "a//b", "a/", "a.partial"] {
        assert!(store.put(key, b"").is_err(), "put {key:?}");
        assert!(store.get(key).is_err(), "get {key:?}");
        assert!(store.get_range(key, 0..0).is_err(), "get_range {key:?}");
        assert!(store.size(key).is_err(), "size {key:?}");
        assert!(store.create(key).is_err(), "create {key:?}");
    }
    assert!(store.list("../a").is_err(), "list");
}

fn returns_each_part_once(store: &dyn Store) {
    let mut object = store.create("c/0").expect("create");
    let results = append_runs(store, &mut *object, &[1, 0, 3, 2]);
    finalize(object, run(store, 0, 6).len() as u64).expect("finalize");
    for result in &results {
        // They are all there by now: the end comes after the last part.
        result.try_recv().expect("a part came back after the end").expect("append");
        assert!(result.try_recv().is_err(), "a part came back twice");
    }
}

fn refuses_a_wrong_offset_and_returns_the_part(store: &dyn Store) {
    let mut object = store.create("c/0").expect("create");
    let length = run(store, 0, 1).len() as u64;
    for (offset, is_right) in [(length, false), (0, true), (0, false), (3 * length, false), (length, true)] {
        let (part, back) = tracked(placed(store, &run(store, offset, 1)));
        assert_eq!(object.append(offset, part).is_ok(), is_right, "offset {offset}");
        assert_eq!(wait(&back).is_ok(), is_right, "part at offset {offset}");
    }
    finalize(object, 2 * length).expect("a refused append changes nothing");
}

fn refuses_a_broken_page(store: &dyn Store) {
    if store.alignment() <= 1 {
        return;
    }
    let mut object = store.create("c/0").expect("create");
    let broken = placed(store, &vec![0; store.alignment() as usize + 1]);
    check_refused_and_unchanged(store, &mut *object, broken);
    finalize(object, store.alignment()).expect("finalize");
}

fn refuses_bytes_beside_a_page_of_memory(store: &dyn Store) {
    if store.alignment() <= 1 {
        return;
    }
    let mut object = store.create("c/0").expect("create");
    let beside = Aligned::beside(&run(store, 0, 1), store.alignment(), 1);
    check_refused_and_unchanged(store, &mut *object, beside);
    finalize(object, store.alignment()).expect("finalize");
}

/// The part comes back with the refusal, and the object then takes a right one in its place.
fn check_refused_and_unchanged(store: &dyn Store, object: &mut dyn Object, wrong: Aligned) {
    let (part, back) = tracked(wrong);
    let refusal = object.append(0, part).expect_err("append");
    assert_eq!(refusal.to_string(), wait(&back).expect_err("part").to_string());
    wait(&append_runs(store, object, &[1])[0]).expect("a refused append changes nothing");
}

fn takes_no_bytes_from_anywhere(store: &dyn Store) {
    let mut object = store.create("c/0").expect("create");
    let (part, back) = tracked(Aligned::beside(&[], store.alignment(), 1));
    object.append(0, part).expect("append");
    wait(&back).expect("part");
    finalize(object, 0).expect("finalize");
}

fn refuses_an_end_beyond_the_bytes(store: &dyn Store) {
    let mut object = store.create("c/0").expect("create");
    let results = append_runs(store, &mut *object, &[1]);
    let length = run(store, 0, 1).len() as u64;
    finalize(object, length + 1).expect_err("finalize");
    wait(&results[0]).expect("the append itself was right");
    assert_eq!(store.get("c/0").expect("get"), None);
}

fn finalizes_without_appends(store: &dyn Store) {
    finalize(store.create("c/0").expect("create"), 0).expect("finalize");
}

fn dropping_abandons(store: &dyn Store) {
    let mut object = store.create("c/0").expect("create");
    let results = append_runs(store, &mut *object, &[2, 2, 2]);
    drop(object);
    for result in &results {
        wait(result).expect("append");
    }
    assert_eq!(store.get("c/0").expect("get"), None);
}

fn is_visible_only_when_finalized(store: &dyn Store) {
    let mut object = store.create("c/0").expect("create");
    let results = append_runs(store, &mut *object, &[2]);
    wait(&results[0]).expect("append");
    assert_eq!(store.get("c/0").expect("get"), None);
    assert_eq!(store.size("c/0").expect("size"), None);
    let bytes = run(store, 0, 2);
    finalize(object, bytes.len() as u64).expect("finalize");
    assert_eq!(store.get("c/0").expect("get"), Some(bytes));
    store.sync().expect("sync");
}

fn appends_in_order(store: &dyn Store) {
    let mut object = store.create("c/0").expect("create");
    append_runs(store, &mut *object, &[3, 1, 0, 5, 1]);
    let bytes = run(store, 0, 10);
    finalize(object, bytes.len() as u64).expect("finalize");
    assert_eq!(store.get("c/0").expect("get"), Some(bytes));
}

fn cuts_to_the_length(store: &dyn Store) {
    for length in [0, 1, 7] {
        let mut object = store.create("c/0").expect("create");
        append_runs(store, &mut *object, &[8]);
        finalize(object, length).expect("finalize");
        assert_eq!(store.size("c/0").expect("size"), Some(length));
        assert_eq!(store.get("c/0").expect("get"), Some(run(store, 0, 8)[..length as usize].to_vec()));
    }
}

fn replaces_by_finalizing(store: &dyn Store) {
    store.put("c/0", b"old").expect("put");
    let object = store.create("c/0").expect("create");
    assert_eq!(store.get("c/0").expect("get"), Some(b"old".to_vec()));
    finalize(object, 0).expect("finalize");
    assert_eq!(store.get("c/0").expect("get"), Some(Vec::new()));
}

fn reads_ranges(store: &dyn Store) {
    store.put("a", b"0123456789").expect("put");
    assert_eq!(store.get_range("a", 2..5).expect("get_range"), b"234");
    assert_eq!(store.get_range("a", 10..10).expect("get_range"), b"");
    assert!(store.get_range("a", 5..11).is_err(), "a short object is an error");
    assert!(store.get_range("a", 0..u64::MAX).is_err(), "and allocates nothing");
    #[expect(clippy::reversed_empty_ranges, reason = "this is what must be refused")]
    let inverted = 5..4;
    assert!(store.get_range("a", inverted).is_err());
}

fn objects_grow_beside_each_other(store: &dyn Store) {
    std::thread::scope(|threads| {
        for thread in 0..4 {
            threads.spawn(move || grow_several(store, thread));
        }
    });
    let entries = store.list("c").expect("list");
    assert_eq!(entries.len(), 12);
    assert!(entries.iter().all(|entry| !entry.unfinished), "{entries:?}");
}

/// Three objects under construction at once, each with bytes of its own.
fn grow_several(store: &dyn Store, thread: u64) {
    let unit = store.alignment().max(1);
    let mut objects = (0..3)
        .map(|n| (format!("c/{thread}/{n}"), vec![(thread * 3 + n) as u8; unit as usize]))
        .map(|(key, bytes)| (store.create(&key).expect("create"), key, bytes))
        .collect::<Vec<_>>();
    for step in 0..20 {
        for (object, _, bytes) in &mut objects {
            object.append(step * unit, part(placed(store, bytes))).expect("append");
        }
    }
    for (object, key, bytes) in objects {
        finalize(object, 20 * unit).expect("finalize");
        assert_eq!(store.get(&key).expect("get"), Some(bytes.repeat(20)), "{key}");
    }
}

fn one_object_at_a_key(store: &dyn Store) {
    let object = store.create("c/0").expect("create");
    assert!(store.create("c/0").is_err(), "two objects at one key");
    finalize(object, 0).expect("finalize");
    drop(store.create("c/0").expect("free again when finalized"));
    drop(store.create("c/0").expect("free again when abandoned"));
}

fn lists_folders_and_flags_the_unfinished(store: &dyn Store) {
    for key in ["zarr.json", "ab", "a/z", "a/c/1"] {
        store.put(key, b"12").expect("put");
    }
    let mut object = store.create("a/c/0").expect("create");
    let results = append_runs(store, &mut *object, &[1]);
    wait(&results[0]).expect("append");
    let unfinished = Entry { key: "a/c/0".into(), unfinished: true, size: run(store, 0, 1).len() as u64 };
    let below_a = [unfinished.clone(), finished("a/c/1", 2), finished("a/z", 2)];
    for prefix in ["a", "a/"] {
        assert_eq!(store.list(prefix).expect("list"), below_a, "below {prefix}");
    }
    assert_eq!(store.list("a/c").expect("list"), below_a[..2]);
    drop(object);
    let all = [&below_a[..], &[finished("ab", 2), finished("zarr.json", 2)]].concat();
    assert_eq!(store.list("").expect("list"), all, "an abandoned object stays, flagged");
    finalize(store.create("a/c/0").expect("create"), 0).expect("finalize");
    assert_eq!(store.list("a/c").expect("list"), [finished("a/c/0", 0), finished("a/c/1", 2)]);
}

fn finished(key: &str, size: u64) -> Entry {
    Entry { key: key.into(), unfinished: false, size }
}

/// Bytes that differ from place to place: `pages` of the store's pages, beginning at the byte `offset`.
fn run(store: &dyn Store, offset: u64, pages: u64) -> Vec<u8> {
    let unit = if store.alignment() > 0 { store.alignment() } else { 1000 };
    (offset..offset + pages * unit).map(|at| (at % 251) as u8).collect()
}

/// A copy of `bytes` at an address that the store takes.
fn placed(store: &dyn Store, bytes: &[u8]) -> Aligned {
    Aligned::copy(bytes, store.alignment())
}

/// Appends one run after the other, each of so many pages.
fn append_runs(
    store: &dyn Store,
    object: &mut dyn Object,
    pages: &[u64],
) -> Vec<Receiver<Result<(), Error>>> {
    let mut offset = 0;
    let mut append = |pages| {
        let bytes = run(store, offset, pages);
        let length = bytes.len() as u64;
        let (part, result) = tracked(placed(store, &bytes));
        object.append(offset, part).expect("append");
        offset += length;
        result
    };
    pages.iter().map(|&pages| append(pages)).collect()
}
