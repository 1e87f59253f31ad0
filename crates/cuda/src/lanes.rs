//! The five lanes as streams, made here, once, and watched by a thread each.
//!
//! A stream for each lane of [`Lane::DEVICE`], the drain's own among them: tails on `d2h` would stand behind the next batch's
//! index, which waits for an aggregate that is parked until these very tails are up; so would payload copies, behind the index
//! of the batch after that, where there are three slots.
//!
//! The watcher of a lane takes its events in order, waits for each, and tells the marks: so a thread of the host waits for
//! a lane, for another thread, or for either, in one way. What was queued keeps its memory until it has run: the watcher
//! lets go of it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use device::marks::Marks;
use device::sync::thread::{Builder, JoinHandle};
use device::sync::{Arc, Condvar, Mutex, MutexGuard};
use device::{Busy, Error, Lane, Mark, Meters, Operation};

use crate::driver::{Context, Event, Number, Stream};

/// What a watcher does next.
enum Task {
    /// A mark is reached when the event is.
    Reach(Arc<Event>, Mark, u64),
    /// Work between two events: its time counts, and then its memory is let go.
    Done {
        start: Event,
        end: Event,
        busy: Busy,
        keep: Box<dyn Send>,
    },
    Stop,
}

/// One lane.
struct Track {
    stream: Stream,
    tasks: Mutex<VecDeque<Task>>,
    changed: Condvar,
    /// Events that are used again.
    timed: Mutex<Vec<Event>>,
}

/// What all lanes share.
struct Shared {
    tracks: Vec<Track>,
    marks: Arc<Marks>,
    meters: Meters,
    /// What kernels have to say: see `kernels/common.h`.
    trouble: Number,
    /// The first failure; marks are still reached.
    failed: Mutex<Option<Error>>,
}

/// The lanes of a GPU.
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    /// The last event that each mark was recorded with.
    recorded: Mutex<Vec<Option<Arc<Event>>>>,
    context: Arc<Context>,
    threads: Vec<JoinHandle<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Lanes {
    pub(crate) fn new(context: &Arc<Context>, marks: Arc<Marks>) -> Result<Lanes, Error> {
        let track = |lane: &Lane| {
            // A codec fills the GPU for milliseconds; the few blocks that others need must not wait for all of its own.
            let stream = Stream::new(context, *lane != Lane::Compress)?;
            Ok(Track { stream, tasks: Mutex::default(), changed: Condvar::new(), timed: Mutex::default() })
        };
        let tracks = Lane::DEVICE.iter().map(track).collect::<Result<_, Error>>()?;
        let (trouble, failed) = (Number::new(context)?, Mutex::new(None));
        let shared = Arc::new(Shared { tracks, marks, meters: Meters::default(), trouble, failed });
        let recorded = Mutex::default();
        let mut lanes = Lanes { shared, recorded, context: context.clone(), threads: Vec::new() };
        for (i, lane) in Lane::DEVICE.into_iter().enumerate() {
            let shared = lanes.shared.clone();
            let name = format!("forebay-{lane:?}").to_lowercase();
            let thread = Builder::new().name(name).spawn(move || watch(&shared, i));
            lanes.threads.push(thread.map_err(|e| Error::new(Operation::Open, e))?);
        }
        Ok(lanes)
    }

    fn track(&self, on: Lane) -> Result<&Track, Error> {
        let index = on.device_index();
        index.map(|i| &self.shared.tracks[i]).ok_or_else(|| {
            let why = format!("{on:?} is a lane of the host: kernels run on device lanes");
            Error::new(Operation::Record, why)
        })
    }

    /// Queues work, which `queue` does on the stream of the lane. What it reads and writes is kept until it has run.
    pub(crate) fn run<Job: Send + 'static>(
        &self,
        busy: Busy,
        job: Job,
        queue: impl FnOnce(&Stream, &Job) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let track = self.track(busy.lane)?;
        let (start, end) = (track.event(&self.context)?, track.event(&self.context)?);
        track.stream.record(&start)?;
        let queued = queue(&track.stream, &job);
        // Some of it may be queued all the same: its memory is kept like any other's.
        let marked = track.stream.record(&end);
        track.push(Task::Done { start, end, busy, keep: Box::new(job) });
        queued.and(marked)
    }

    pub(crate) fn record(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        let track = self.track(on)?;
        let event = Arc::new(Event::new(&self.context, false)?);
        track.stream.record(&event)?;
        let mut recorded = lock(&self.recorded);
        let place = mark.0 as usize;
        if recorded.len() <= place {
            recorded.resize_with(place + 1, || None);
        }
        recorded[place] = Some(event.clone());
        drop(recorded);
        track.push(Task::Reach(event, mark, generation));
        Ok(())
    }

    /// Makes a lane wait for what was recorded last; nothing to wait for where the host recorded it.
    pub(crate) fn wait(&self, on: Lane, mark: Mark) -> Result<(), Error> {
        let event = lock(&self.recorded).get(mark.0 as usize).cloned().flatten();
        let stream = &self.track(on)?.stream;
        event.map_or(Ok(()), |event| stream.wait(&event))
    }

    /// Makes a lane stand until a number is at least `least`.
    pub(crate) fn wait_number(&self, on: Lane, number: &Number, least: u64) -> Result<(), Error> {
        self.track(on)?.stream.wait_number(number, least)
    }

    pub(crate) fn synchronize(&self) -> Result<(), Error> {
        for track in &self.shared.tracks {
            if let Err(error) = track.stream.synchronize() {
                self.shared.fail(error);
            }
        }
        self.check()
    }

    /// The first failure of any lane.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.shared.look_for_trouble();
        lock(&self.shared.failed).clone().map_or(Ok(()), Err)
    }

    /// Keeps a failure.
    pub(crate) fn fail(&self, error: Error) {
        self.shared.fail(error);
    }

    pub(crate) fn busy(&self) -> Vec<Busy> {
        self.shared.meters.get()
    }

    /// Where kernels say what went wrong.
    pub(crate) fn trouble(&self) -> u64 {
        self.shared.trouble.address()
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        // All of them, whatever became of the others.
        let _ = self.synchronize();
        for track in &self.shared.tracks {
            track.push(Task::Stop);
        }
        for thread in self.threads.drain(..) {
            // A watcher has nothing of its own to report.
            let _ = thread.join();
        }
    }
}

impl Track {
    fn push(&self, task: Task) {
        lock(&self.tasks).push_back(task);
        self.changed.notify_one();
    }

    fn take(&self) -> Task {
        let mut tasks = lock(&self.tasks);
        loop {
            if let Some(task) = tasks.pop_front() {
                return task;
            }
            tasks = self.changed.wait(tasks).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    fn event(&self, context: &Arc<Context>) -> Result<Event, Error> {
        let used = lock(&self.timed).pop();
        used.map_or_else(|| Event::new(context, true), Ok)
    }
}

impl Shared {
    fn fail(&self, error: Error) {
        lock(&self.failed).get_or_insert(error);
    }

    fn look_for_trouble(&self) {
        let (operation, why) = match self.trouble.get() & u64::from(u32::MAX) {
            0 => return,
            1 => (Operation::Encode, "the codec failed on a chunk"),
            2 => (Operation::Encode, "an encoded chunk is larger than the codec's bound"),
            _ => (Operation::Aggregate, "a packed batch is larger than its buffer"),
        };
        self.fail(Error::new(operation, why));
    }
}

fn watch(shared: &Shared, lane: usize) {
    let track = &shared.tracks[lane];
    loop {
        let task = track.take();
        let mark = match &task {
            Task::Stop => return,
            Task::Reach(_, mark, generation) => Some((*mark, *generation)),
            Task::Done { .. } => None,
        };
        // What a job kept may be memory of somebody else's, whose drop may do anything.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| finish(shared, track, task))) {
            // What it says is on standard error; its own drop may panic too.
            std::mem::forget(panic);
            shared.fail(Error::new(Operation::Wait, "a thread that watches the GPU panicked"));
            if let Some((mark, generation)) = mark {
                shared.marks.reach(mark, generation);
            }
        }
    }
}

/// Waits for what a task is about, and does what is due then.
fn finish(shared: &Shared, track: &Track, task: Task) {
    match task {
        Task::Stop => {}
        Task::Reach(event, mark, generation) => {
            let reached = event.synchronize();
            // What a kernel said comes first: an error of the driver may follow from it.
            shared.look_for_trouble();
            reached.unwrap_or_else(|error| shared.fail(error));
            shared.marks.reach(mark, generation);
        }
        Task::Done { start, end, busy, keep } => {
            let took = end.synchronize().and_then(|()| end.since(&start));
            shared.look_for_trouble();
            match took {
                Ok(milliseconds) => {
                    let time = Duration::from_secs_f64(f64::from(milliseconds.max(0.0)) / 1e3);
                    shared.meters.add(Busy { time, ..busy });
                    lock(&track.timed).extend([start, end]);
                }
                Err(error) => shared.fail(error),
            }
            drop(keep);
        }
    }
}
