//! What the contract cannot ask for: files, links, full disks, and the end of the store.

use std::os::unix::fs::symlink;
use std::sync::mpsc::channel;

use super::write::WriteAt;
use super::write::tests::{Scripted, full};
use super::*;
use crate::contract::{self, Readable, ending, finalize, part, tracked, wait};
use crate::{Counting, Failing, Payload};

mod direct;

fn disk(options: Options) -> (tempfile::TempDir, LocalDisk) {
    let root = tempfile::tempdir().expect("temporary folder");
    let disk = LocalDisk::open(root.path().join("store"), options).expect("open");
    (root, disk)
}

/// An object of `disk` that is written to `file` instead.
fn object_on(disk: &LocalDisk, key: &str, file: impl WriteAt + 'static) -> Box<dyn Object> {
    let path = disk.root.join(key);
    let partial = names::partial(&path);
    let claim = disk.claims.claim(key).expect("claim");
    let target = object::Target { key: key.to_owned(), path, partial, page: disk.page };
    let shared = object::Shared::new(target, Box::new(file), claim, Arc::clone(&disk.folders));
    Box::new(Growing::new(shared, Arc::clone(&disk.budget), disk.pool.queue()))
}

/// `wrap` is what goes around the disk.
fn check_contract(options: Options, wrap: fn(LocalDisk) -> Arc<dyn Store>) {
    check_contract_in(&tempfile::tempdir().expect("temporary folder"), options, wrap);
}

fn check_contract_in(root: &tempfile::TempDir, options: Options, wrap: fn(LocalDisk) -> Arc<dyn Store>) {
    let next = std::cell::Cell::new(0);
    let make = || -> Arc<dyn Store> {
        next.set(next.get() + 1);
        wrap(LocalDisk::open(root.path().join(next.get().to_string()), options).expect("open"))
    };
    contract::check(&make, Readable::Yes);
}

#[test]
fn keeps_the_contract() {
    check_contract(Options::default(), |disk| Arc::new(disk));
}

#[test]
fn keeps_the_contract_with_one_part_in_flight() {
    check_contract(Options { threads: 1, in_flight: 1, ..Options::default() }, |disk| Arc::new(disk));
}

#[test]
fn keeps_the_contract_inside_decorators() {
    check_contract(Options::default(), |disk| {
        Arc::new(Counting::new(Arc::new(Failing::new(Arc::new(disk), 0))))
    });
}

#[test]
fn an_injected_failure_ends_after_the_parts_on_the_disk_are_back() {
    let (_root, disk) = disk(Options::default());
    let store = Failing::new(Arc::new(disk), 22);
    let mut object = store.create("a").expect("create");
    let append = |offset| {
        let (part, back) = tracked(vec![0; 1]);
        object.append(offset, part).expect("append");
        back
    };
    let results = (0..21).map(append).collect::<Vec<_>>();
    let error = finalize(object, 21).expect_err("finalize");
    assert_eq!(error.operation(), Operation::Append);
    let failed = results.iter().filter(|result| result.try_recv().expect("back before the end").is_err());
    assert_eq!(failed.count(), 1);
}

#[test]
fn the_first_error_is_kept_with_path_and_offset() {
    let (_root, disk) = disk(Options { threads: 1, ..Options::default() });
    let mut object = object_on(&disk, "c/0", Scripted::new([Ok(4), Ok(3), Err(full())]));
    let (first, first_back) = tracked(vec![0; 4]);
    let (second, second_back) = tracked(vec![0; 4]);
    object.append(0, first).expect("append");
    object.append(4, second).expect("append");
    wait(&first_back).expect("the first part");
    let error = wait(&second_back).expect_err("the second part");
    let path = disk.root.join("c/0.partial");
    let expected = format!(
        "append to c/0 at byte 7 ({}): No space left on device (os error 28); \
         free space on that disk, or write the store elsewhere",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    let (third, third_back) = tracked(vec![0; 4]);
    assert_eq!(object.append(8, third).expect_err("append").to_string(), expected);
    assert_eq!(third_back.try_recv().expect("at once").expect_err("part").to_string(), expected);
    assert_eq!(finalize(object, 8).expect_err("finalize").to_string(), expected);
    assert!(disk.get("c/0").expect("get").is_none());
    drop(disk.claims.claim("c/0").expect("the key is free again"));
}

#[test]
fn a_failed_sync_keeps_the_object_invisible() {
    let (_root, disk) = disk(Options::default());
    let object = object_on(&disk, "a", Scripted::failing_to_sync());
    let error = finalize(object, 0).expect_err("finalize");
    assert_eq!((error.operation(), error.io_kind()), (Operation::Finalize, Some(ErrorKind::StorageFull)));
    assert!(disk.get("a").expect("get").is_none());
}

#[test]
fn a_link_in_the_way_is_not_followed() {
    let (root, disk) = disk(Options::default());
    let precious = root.path().join("precious");
    std::fs::write(&precious, "bytes").expect("write");
    symlink(&precious, disk.root.join("a.partial")).expect("link");
    let error = disk.create("a").err().expect("create").to_string();
    assert!(error.contains("a.partial") && error.contains("symbolic link"), "{error}");
    // A put replaces a link at its key; it does not write through it.
    symlink(&precious, disk.root.join("b")).expect("link");
    disk.put("b", b"new").expect("put");
    assert_eq!(std::fs::read(&precious).expect("read"), b"bytes");
    assert_eq!(disk.get("b").expect("get").as_deref(), Some(&b"new"[..]));
}

#[test]
fn folders_and_files_in_the_way_are_named() {
    let (_root, disk) = disk(Options::default());
    std::fs::create_dir(disk.root.join("a.partial")).expect("folder");
    let error = disk.create("a").err().expect("create");
    assert_eq!(error.path(), Some(disk.root.join("a.partial").as_path()));
    assert!(error.to_string().contains("a folder of that name"), "{error}");
    disk.put("file", b"").expect("put");
    let error = disk.put("file/below", b"").expect_err("put").to_string();
    assert!(error.contains("a folder above it is a file"), "{error}");
    drop(disk.create("free").expect("create"));
    assert!(disk.claims.claim("a").is_ok(), "a failed create holds no claim");
}

#[test]
fn a_put_uses_again_what_a_crashed_one_left() {
    let (_root, disk) = disk(Options::default());
    for left in [".put-1-0.partial", ".partial"] {
        std::fs::write(disk.root.join(format!("a{left}")), "left by a crash").expect("write");
    }
    let path = disk.root.join("a");
    let scratch = names::scratch(&path);
    std::fs::write(&scratch, "longer than what is put").expect("write");
    disk.write_whole(&scratch, &path, b"put").expect("put");
    let entry = |unfinished, size| Entry { key: "a".into(), unfinished, size };
    assert_eq!(disk.list("").expect("list"), [entry(false, 3), entry(true, 15), entry(true, 15)]);
}

#[test]
fn a_failed_put_leaves_nothing() {
    let (_root, disk) = disk(Options::default());
    std::fs::create_dir_all(disk.root.join("a/b")).expect("folder");
    disk.put("a", b"x").expect_err("put onto a folder");
    assert_eq!(disk.list("").expect("list"), []);
}

#[test]
fn leftovers_are_begun_again() {
    let (_root, disk) = disk(Options::default());
    std::fs::write(disk.root.join("a.partial"), "left by a crash").expect("write");
    let mut object = disk.create("a").expect("create");
    object.append(0, part(b"new".to_vec())).expect("append");
    finalize(object, 3).expect("finalize");
    assert_eq!(disk.get("a").expect("get").as_deref(), Some(&b"new"[..]));
    assert!(!disk.root.join("a.partial").exists());
}

#[test]
fn a_root_that_went_away_is_not_made_again() {
    let (_root, disk) = disk(Options::default());
    std::fs::remove_dir(&disk.root).expect("remove");
    let error = disk.create("a/b").err().expect("create").to_string();
    assert!(error.contains("its disk is mounted"), "{error}");
    assert!(!disk.root.exists());
}

#[test]
fn dropping_the_store_finishes_what_is_queued() {
    let (root, disk) = disk(Options { threads: 1, ..Options::default() });
    let mut object = disk.create("a").expect("create");
    for step in 0..50 {
        object.append(step * 1000, part(vec![1; 1000])).expect("append");
    }
    let (done, end) = ending();
    object.finalize(50_000, done);
    let mut late = disk.create("late").expect("create");
    drop(disk);
    end.try_recv().expect("the end came before the drop returned").expect("finalize");
    assert_eq!(std::fs::read(root.path().join("store/a")).expect("read"), vec![1; 50_000]);
    let (late_part, back) = tracked(vec![0; 4]);
    assert!(late.append(0, late_part).expect_err("append").to_string().contains("closed"));
    wait(&back).expect_err("part");
    finalize(late, 0).expect_err("finalize");
}

#[test]
fn a_part_whose_owner_panics_fails_its_object() {
    struct Broken;
    impl Payload for Broken {
        fn bytes(&self) -> &[u8] {
            b"x"
        }
        fn returned(self: Box<Self>, _: Result<(), Error>) {
            panic!("on purpose, in a test");
        }
    }
    let (_root, disk) = disk(Options::default());
    let mut object = disk.create("a").expect("create");
    object.append(0, Box::new(Broken)).expect("append");
    let error = finalize(object, 1).expect_err("finalize").to_string();
    assert!(error.contains("panicked"), "{error}");
}

/// A part that does something when it comes back, on the I/O thread.
struct Relay<F>(F);

impl<F: FnOnce() + Send> Payload for Relay<F> {
    fn bytes(&self) -> &[u8] {
        b"x"
    }

    fn returned(self: Box<Self>, _: Result<(), Error>) {
        (self.0)();
    }
}

#[test]
fn an_append_may_come_from_a_returned_part_s_thread() {
    let (_root, disk) = disk(Options { threads: 1, in_flight: 1, ..Options::default() });
    let mut next = disk.create("b").expect("create");
    let (sender, results) = channel();
    let follow = move || {
        next.append(0, part(b"y".to_vec())).expect("append");
        sender.send(next).unwrap_or_default();
    };
    let mut first = disk.create("a").expect("create");
    first.append(0, Box::new(Relay(follow))).expect("append");
    finalize(results.recv().expect("relayed"), 1).expect("finalize");
}

#[test]
fn what_is_queued_behind_the_first_error_is_not_written() {
    let (_root, disk) = disk(Options { threads: 1, ..Options::default() });
    let (go, goes) = channel::<()>();
    let mut blocker = disk.create("blocker").expect("create");
    let hold = move || goes.recv().expect("go");
    blocker.append(0, Box::new(Relay(hold))).expect("append");
    let file = Arc::new(Scripted::new([Err(full())]));
    let mut object = object_on(&disk, "a", Arc::clone(&file));
    let (queued, back) = tracked(vec![0; 4]);
    object.append(0, part(vec![0; 4])).expect("append");
    object.append(4, queued).expect("append");
    go.send(()).expect("send");
    assert_eq!(wait(&back).expect_err("part").offset(), Some(0));
    assert!(crate::lock::lock(&file.written).is_empty());
}

#[test]
fn a_key_is_free_when_its_end_is_told() {
    let (_root, disk) = disk(Options::default());
    let disk = Arc::new(disk);
    let (sender, ends) = channel();
    let again = Arc::clone(&disk);
    let done = move |_| sender.send(again.create("a").map(drop)).unwrap_or_default();
    disk.create("a").expect("create").finalize(0, Box::new(done));
    wait(&ends).expect("create");
}

#[test]
fn no_threads_are_refused() {
    let root = tempfile::tempdir().expect("temporary folder");
    let options = Options { threads: 0, ..Options::default() };
    assert!(LocalDisk::open(root.path(), options).is_err());
}
