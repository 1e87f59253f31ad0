//! Several writers at once, each with a store of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::{Case, noise};
use crate::plans::{Drawn, Objects, Run, number, shards};
use forebay::store::{Memory, Store};
use forebay::{Array, Codec, DType, DeviceChoice, Dim, Mode, Options, Tuning, Writer};

const FRAME: usize = 500 * 512 * 2;
/// Frames of a row of shards.
const ROW: usize = 8;

/// Frames whose shards are no whole pages, so that each batch but the first begins with tails: with checksums, in batches of six
/// frames, which end anywhere in a row of shards.
fn array(codec: Codec) -> Array {
    let dims = vec![
        Dim::unbounded("t").chunk(2).chunks_per_shard(4),
        Dim::new("y", 500).chunk(128).chunks_per_shard(2),
        Dim::new("x", 512).chunk(128).chunks_per_shard(4),
    ];
    Array { codec, crc32c: true, plain: true, ..Array::new(DType::U16, dims) }
}

#[derive(Clone, Copy)]
struct Job {
    device: DeviceChoice,
    codec: Codec,
    /// Rows of shards of a long stream.
    rows: usize,
}

impl Job {
    fn options(&self) -> Options {
        let tuning = Tuning { batch_bytes: Some(3 << 20), staging_bytes: Some(1 << 20), ..Tuning::default() };
        // Where it is the host, all is copied up and down as on a GPU.
        let device_memory = self.device == DeviceChoice::Host;
        Options { tuning, device: self.device, device_memory, threads: 1, ..Options::default() }
    }

    fn open(&self, store: &Arc<dyn Store>) -> Writer {
        Writer::open(store.clone(), &array(self.codec), self.options()).unwrap()
    }

    /// The same row of frames, again and again, with the gate.
    fn stream(&self, row: &[u8], rows: usize) -> Arc<dyn Store> {
        let store: Arc<dyn Store> = Arc::new(Memory::with_alignment(4096));
        let mut writer = self.open(&store);
        assert_eq!(writer.plan().mode, Mode::Pipelined);
        assert_eq!(writer.plan().batch_epochs, 3);
        for _ in 0..rows {
            row.chunks(FRAME + 777).for_each(|part| writer.append(part).unwrap());
        }
        writer.close().unwrap();
        store
    }

    /// The shards of one row, which are right.
    fn reference(&self, row: &[u8]) -> Objects {
        let store = self.stream(row, 1);
        assert!(Case { array: array(self.codec), options: self.options() }.read(&store) == row);
        if self.codec == Codec::None {
            let host = Job { device: DeviceChoice::Host, ..*self };
            assert!(shards(&store) == shards(&host.stream(row, 1)), "other shards than the host's");
        }
        shards(&store)
    }

    /// Every row holds the shards of the first.
    fn check(&self, stored: &Objects, row: &Objects) {
        assert_eq!(stored.len(), self.rows * row.len());
        for (key, bytes) in stored {
            let place: Vec<_> = key.split('/').collect();
            let first = format!("c/0/{}", place[2..].join("/"));
            assert!(*bytes == row[&first], "{key} is not {first}");
        }
    }
}

/// What one writer did.
#[derive(Debug, Default)]
struct Done {
    streams: u64,
    plans: u64,
}

#[expect(clippy::disallowed_methods, reason = "how long to try is for the person who waits")]
fn now() -> Instant {
    Instant::now()
}

/// One writer after another on this thread until the time is over: long streams, and random plans into whole pages.
fn keep_writing(job: Job, row: &[u8], reference: &Objects, end: Instant, seed: u64) -> Done {
    let (mut done, mut drawn) = (Done::default(), Drawn::new(seed));
    while done.streams == 0 || now() < end {
        job.check(&shards(&job.stream(row, job.rows)), reference);
        done.streams += 1;
        for _ in 0..3 {
            let run = drawn.next().on_gpu(true).into_pages(true);
            let run = Run { device: job.device, ..run };
            if forebay::device_for(&run.array, &run.options()).is_ok() {
                run.check().unwrap_or_else(|why| panic!("plan {} of seed {seed}, {why}", done.plans));
                done.plans += 1;
            }
        }
    }
    done
}

/// Writers with and without a codec, side by side.
fn together(device: DeviceChoice, rows: usize, writers: u64, time: Duration, seed: u64) {
    let row = noise(ROW * FRAME);
    let jobs = [Codec::None, Codec::Zstd { level: 0 }].map(|codec| Job { device, codec, rows });
    let references = jobs.map(|job| job.reference(&row));
    let end = now() + time;
    let one = |i: u64| {
        let which = (i % 2) as usize;
        keep_writing(jobs[which], &row, &references[which], end, seed + i)
    };
    let done: Vec<Done> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers).map(|i| scope.spawn(move || one(i))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let (streams, plans) = done.iter().fold((0, 0), |(s, p), d| (s + d.streams, p + d.plans));
    let bytes = streams as f64 * (rows * ROW * FRAME) as f64;
    println!(
        "writers together: {writers} for {:.0} s: {streams} streams with the gate ({:.1} GB), {plans} random plans of seeds \
         {seed} to {}, none differs; {}",
        time.as_secs_f64(),
        bytes / 1e9,
        seed + writers - 1,
        peak()
    );
}

/// The most memory of the host that the process has held.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default().to_owned()
}

#[test]
fn writers_on_the_host_do_not_disturb_each_other() {
    together(DeviceChoice::Host, 2, 3, Duration::ZERO, 1);
}

/// As many as `FOREBAY_GPU_WRITERS` says, one number after another (`1 2 4 6`), for `FOREBAY_GPU_EACH` seconds each.
#[test]
#[ignore = "needs a GPU"]
fn writers_on_a_gpu_do_not_disturb_each_other() {
    let writers = std::env::var("FOREBAY_GPU_WRITERS").unwrap_or_else(|_| "1 2 4 6".to_owned());
    let (time, seed) = (Duration::from_secs(number("FOREBAY_GPU_EACH", 5)), number("FOREBAY_GPU_SEED", 1));
    for count in writers.split_whitespace().map(|n| n.parse().unwrap()) {
        together(DeviceChoice::Cuda(0), 64, count, time, seed);
    }
}

/// Writers that fit the queues of a GPU.
const MOST: usize = 6;

#[test]
#[ignore = "needs a GPU"]
fn a_seventh_writer_runs_on_the_host() {
    let row = noise(ROW * FRAME);
    let job = |device| Job { device, codec: Codec::None, rows: 1 };
    let (auto, cuda) = (job(DeviceChoice::Auto), job(DeviceChoice::Cuda(0)));
    let reference = job(DeviceChoice::Host).reference(&row);
    let store = || -> Arc<dyn Store> { Arc::new(Memory::with_alignment(4096)) };
    let stores: Vec<_> = (0..=MOST).map(|_| store()).collect();
    let mut writers: Vec<_> = stores.iter().map(|store| auto.open(store)).collect();
    let on_host: Vec<_> = writers.iter().map(|w| w.device().starts_with("host")).collect();
    assert_eq!(on_host, [vec![false; MOST], vec![true]].concat(), "{:?}", writers[0].notices());
    let said = writers[MOST].notices().join(" ");
    assert!(said.contains("6 writers"), "{said}");
    let untouched = store();
    let refused = Writer::open(untouched.clone(), &array(cuda.codec), cuda.options());
    let refused = refused.map(drop).unwrap_err().to_string();
    assert!(refused.contains("6 writers") && refused.contains("run on the host"), "{refused}");
    assert!(untouched.list("").unwrap().is_empty());
    // All seven take the stream at once.
    std::thread::scope(|scope| {
        for writer in &mut writers {
            scope.spawn(|| row.chunks(70_000).for_each(|part| writer.append(part).unwrap()));
        }
    });
    // One that goes makes room for another.
    let mut left = writers.into_iter();
    left.next().unwrap().close().unwrap();
    let next = store();
    let mut writer = cuda.open(&next);
    writer.append(&row).unwrap();
    writer.close().unwrap();
    left.for_each(|writer| drop(writer.close().unwrap()));
    stores.iter().chain([&next]).for_each(|store| auto.check(&shards(store), &reference));
    println!("the seventh: {said}; asked for the GPU: {refused}");
}
