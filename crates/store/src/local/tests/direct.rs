//! Objects that are written directly, on a disk of this computer that can do it.

use std::os::unix::fs::MetadataExt;

use rustix::fs::{FallocateFlags, fallocate};

use super::*;
use crate::contract::Aligned;
use crate::local::direct::PAGE;
use crate::lock::lock;

const DIRECT: Options = Options { threads: 4, in_flight: 256 << 20, direct: true };

/// What lies between the blocks of a file and its bytes: the last page, and the disk's own notes on its runs.
/// Much less than what is ever allocated ahead.
const SLACK: u64 = 256 << 10;

/// A folder on a disk that can be written to directly: a temporary one, or one beside this program. Where
/// there is none, says so; the test then has nothing to look at.
fn folder() -> Option<tempfile::TempDir> {
    let program = std::env::current_exe().expect("this program's file");
    let able = |made: std::io::Result<tempfile::TempDir>| {
        made.ok().filter(|folder| check_direct(folder.path()).is_ok())
    };
    let beside = || able(tempfile::tempdir_in(program.parent().expect("its folder")));
    let found = able(tempfile::tempdir()).or_else(beside);
    if found.is_none() {
        println!("skipped: neither the temporary folder nor the program's can be written to directly");
    }
    found
}

fn disk() -> Option<(tempfile::TempDir, LocalDisk)> {
    let root = folder()?;
    let disk = LocalDisk::open(root.path().join("store"), DIRECT).expect("open");
    Some((root, disk))
}

fn pages(byte: u8, count: u64) -> Aligned {
    Aligned::copy(&vec![byte; (count * PAGE) as usize], PAGE)
}

/// Appends so many pages and waits until they are written.
fn append(object: &mut dyn Object, offset: u64, count: u64) {
    let (part, back) = tracked(pages(7, count));
    object.append(offset, part).expect("append");
    wait(&back).expect("part");
}

/// The size of a file, and what it takes on the disk.
fn size_and_room(path: &Path) -> (u64, u64) {
    let metadata = path.metadata().expect("metadata");
    (metadata.len(), metadata.blocks() * 512)
}

/// Whether room can be had in files of this folder before they are written.
fn allocates_ahead(folder: &Path) -> bool {
    let file = tempfile::tempfile_in(folder).expect("temporary file");
    let can = fallocate(&file, FallocateFlags::KEEP_SIZE, 0, PAGE).is_ok();
    if !can {
        println!("skipped: {} gives no room ahead", folder.display());
    }
    can
}

#[test]
fn keeps_the_contract() {
    let Some(root) = folder() else { return };
    check_contract_in(&root, DIRECT, |disk| Arc::new(disk));
}

#[test]
fn keeps_the_contract_inside_decorators() {
    let Some(root) = folder() else { return };
    check_contract_in(&root, DIRECT, |disk| {
        Arc::new(Counting::new(Arc::new(Failing::new(Arc::new(disk), 0))))
    });
}

#[test]
fn a_disk_that_cannot_is_refused_before_anything_is_made() {
    let here = tempfile::tempdir().expect("temporary folder");
    let root = here.path().join("a/b");
    let refuse: fn(&Path) -> _ = |path| Err(Error::of_path(Operation::Open, "", None, path, "cannot"));
    let error = LocalDisk::open_checked(&root, DIRECT, refuse).err().expect("open");
    assert_eq!(error.path(), Some(&*root));
    assert_eq!(std::fs::read_dir(here.path()).expect("read").count(), 0);
    let cached = Options { direct: false, ..DIRECT };
    assert_eq!(LocalDisk::open_checked(&root, cached, refuse).expect("not asked").alignment(), 0);
}

#[test]
fn the_check_makes_nothing_and_opening_leaves_nothing() {
    let Some(root) = folder() else { return };
    let path = root.path().join("a/b");
    check_direct(&path).expect("check");
    assert_eq!(std::fs::read_dir(root.path()).expect("read").count(), 0);
    let disk = LocalDisk::open(&path, DIRECT).expect("open");
    assert_eq!((disk.alignment(), disk.list("").expect("list")), (PAGE, Vec::new()));
}

#[test]
fn an_unaligned_address_is_refused_with_its_remedy() {
    let Some((_root, disk)) = disk() else { return };
    let mut object = disk.create("a").expect("create");
    let (part, back) = tracked(Aligned::beside(&[0; PAGE as usize], PAGE, 512));
    let error = object.append(0, part).expect_err("append").to_string();
    assert!(error.contains("512 bytes past a page") && error.contains("multiples of 4096"), "{error}");
    assert_eq!(wait(&back).expect_err("part").to_string(), error);
}

#[test]
fn the_file_is_written_past_the_cache() {
    let Some((_root, disk)) = disk() else { return };
    let flags = |path: &str| {
        let file = disk.begin(&disk.root.join(path)).expect("begin");
        rustix::fs::fcntl_getfl(&file).expect("flags")
    };
    assert!(flags("a.partial").contains(OFlags::DIRECT));
}

#[test]
fn room_ahead_is_taken_and_not_seen_and_given_back() {
    let Some((root, disk)) = disk() else { return };
    if !allocates_ahead(root.path()) {
        return;
    }
    for length in [0, 1, PAGE, 2 * PAGE - 1, 3 * PAGE] {
        let mut object = disk.create("a").expect("create");
        append(&mut *object, 0, 2);
        append(&mut *object, 2 * PAGE, 1);
        let (size, room) = size_and_room(&disk.root.join("a.partial"));
        assert_eq!(size, 3 * PAGE, "what is allocated ahead is not visible");
        assert!(room >= 8 << 20, "{room} bytes on the disk");
        finalize(object, length).expect("finalize");
        let (size, room) = size_and_room(&disk.root.join("a"));
        assert_eq!(size, length);
        assert!(room <= length + SLACK, "{room} bytes on the disk for {length}");
    }
}

#[test]
fn an_object_without_bytes_takes_no_room() {
    let Some((_root, disk)) = disk() else { return };
    finalize(disk.create("a").expect("create"), 0).expect("finalize");
    assert!(size_and_room(&disk.root.join("a")).1 <= SLACK);
}

#[test]
fn what_an_abandoned_object_allocated_is_not_kept_by_the_next() {
    let Some((_root, disk)) = disk() else { return };
    let mut object = disk.create("a").expect("create");
    append(&mut *object, 0, 1);
    drop(object);
    finalize(disk.create("a").expect("create"), 0).expect("finalize");
    assert!(size_and_room(&disk.root.join("a")).1 <= SLACK);
}

#[test]
fn a_large_object_arrives_whole_through_all_steps() {
    let Some((_root, disk)) = disk() else { return };
    let mut object = disk.create("c/0").expect("create");
    let run = 4096 * PAGE / 4;
    for step in 0..12_u8 {
        object.append(u64::from(step) * run, part(pages(step, run / PAGE))).expect("append");
    }
    finalize(object, 12 * run - 5).expect("finalize");
    let bytes = disk.get("c/0").expect("get").expect("there");
    assert_eq!(bytes.len() as u64, 12 * run - 5);
    for (step, found) in bytes.chunks(run as usize).enumerate() {
        assert!(found.iter().all(|&byte| usize::from(byte) == step), "run {step}");
    }
}

/// A scripted object of a direct disk, of which two pages were appended, cut to `length`.
fn end_of(file: &Arc<Scripted>, length: u64) -> Option<Result<(), Error>> {
    let (_root, disk) = disk()?;
    // What is renamed at the end; the bytes go to the script.
    std::fs::write(disk.root.join("a.partial"), "").expect("write");
    let mut object = object_on(&disk, "a", Arc::clone(file));
    object.append(0, part(pages(1, 2))).expect("append");
    Some(finalize(object, length))
}

#[test]
fn room_is_asked_for_by_the_writing_thread_before_the_write() {
    let file = Arc::new(Scripted::default());
    let Some(result) = end_of(&file, 2 * PAGE) else { return };
    result.expect("finalize");
    let allocated = lock(&file.allocated);
    let [(0, length, thread)] = &allocated[..] else { panic!("asked for {allocated:?}") };
    assert_eq!(*length, 2 * PAGE + (8 << 20));
    assert!(thread.starts_with("forebay-io-"), "asked for by {thread}");
}

#[test]
fn a_direct_object_is_always_cut_and_another_only_when_it_must_be() {
    let file = Arc::new(Scripted::default());
    let Some(result) = end_of(&file, 2 * PAGE) else { return };
    result.expect("finalize");
    assert_eq!(*lock(&file.cuts), [2 * PAGE]);
    let (_root, cached) = super::disk(Options::default());
    std::fs::write(cached.root.join("a.partial"), "").expect("write");
    let file = Arc::new(Scripted::default());
    let mut object = object_on(&cached, "a", Arc::clone(&file));
    object.append(0, part(vec![0; 10])).expect("append");
    finalize(object, 10).expect("finalize");
    assert!(lock(&file.cuts).is_empty() && lock(&file.allocated).is_empty());
}

#[test]
fn no_room_ahead_is_no_error() {
    for errno in [rustix::io::Errno::OPNOTSUPP, rustix::io::Errno::NOSPC] {
        let file = Arc::new(Scripted::failing_to_allocate(errno.into()));
        let Some(result) = end_of(&file, PAGE) else { return };
        result.expect("finalize");
        assert_eq!((lock(&file.allocated).len(), lock(&file.written).len()), (1, 1));
        assert_eq!(*lock(&file.cuts), [PAGE]);
    }
}

#[test]
fn a_short_write_goes_on_from_its_page() {
    let file = Arc::new(Scripted::new([Ok(PAGE as usize + 512)]));
    let Some(result) = end_of(&file, 2 * PAGE) else { return };
    result.expect("finalize");
    let places = lock(&file.written).iter().map(|(at, bytes)| (*at, bytes.len())).collect::<Vec<_>>();
    assert_eq!(places, [(0, PAGE as usize + 512), (PAGE, PAGE as usize)]);
}

#[test]
fn a_disk_that_takes_half_a_page_fails_the_object() {
    let file = Arc::new(Scripted::new([Ok(PAGE as usize + 512), Ok(512), Ok(512)]));
    let Some(result) = end_of(&file, 2 * PAGE) else { return };
    let error = result.expect_err("finalize");
    assert_eq!(error.offset(), Some(PAGE));
    let text = error.to_string();
    assert!(
        text.contains("only 512 bytes of a page of 4096, twice") && text.contains("free space"),
        "{text}"
    );
}
