//! Lanes as threads: each takes its queue in order, beside the others.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use device::marks::Marks;
use device::sync::thread::{Builder, JoinHandle};
use device::sync::{Arc, Condvar, Mutex, MutexGuard};
use device::{Error, Lane, Mark, Operation};

/// Work of a lane.
pub(crate) type Job = Box<dyn FnOnce() -> Result<(), Error> + Send>;

enum Step {
    Run(Operation, Job),
    Record(Mark, u64),
    Wait(Mark, u64),
    Stop,
}

#[derive(Default)]
struct Queue {
    steps: VecDeque<Step>,
    running: bool,
}

/// One lane.
#[derive(Default)]
struct Track {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Track {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn push(&self, step: Step) {
        self.lock().steps.push_back(step);
        self.changed.notify_all();
    }

    fn take(&self) -> Step {
        let mut queue = self.lock();
        queue.running = false;
        loop {
            if let Some(step) = queue.steps.pop_front() {
                queue.running = true;
                return step;
            }
            self.changed.notify_all();
            queue = self.changed.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    fn idle(&self) {
        let mut queue = self.lock();
        while queue.running || !queue.steps.is_empty() {
            queue = self.changed.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

/// What all lanes share.
struct Shared {
    tracks: [Track; 5],
    marks: Arc<Marks>,
    /// The first failure; work after it is skipped, marks are still reached.
    failed: Mutex<Option<Error>>,
}

/// The five lanes of the host device.
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Lanes {
    pub(crate) fn new(marks: Arc<Marks>) -> Result<Lanes, Error> {
        let shared = Arc::new(Shared { tracks: Default::default(), marks, failed: Mutex::new(None) });
        let mut lanes = Lanes { shared, threads: Vec::new() };
        for (i, lane) in Lane::DEVICE.into_iter().enumerate() {
            let shared = lanes.shared.clone();
            let name = format!("forebay-{lane:?}").to_lowercase();
            let thread = Builder::new().name(name).spawn(move || run(&shared, i));
            lanes.threads.push(thread.map_err(|e| Error::new(Operation::Open, e))?);
        }
        Ok(lanes)
    }

    pub(crate) fn run(&self, on: Lane, what: Operation, job: Job) -> Result<(), Error> {
        self.track(on)?.push(Step::Run(what, job));
        Ok(())
    }

    pub(crate) fn record(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        self.track(on)?.push(Step::Record(mark, generation));
        Ok(())
    }

    pub(crate) fn wait(&self, on: Lane, mark: Mark, generation: u64) -> Result<(), Error> {
        self.track(on)?.push(Step::Wait(mark, generation));
        Ok(())
    }

    pub(crate) fn synchronize(&self) {
        self.shared.tracks.iter().for_each(Track::idle);
    }

    /// The first failure of any lane.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let failed = self.shared.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failed.clone().map_or(Ok(()), Err)
    }

    fn track(&self, on: Lane) -> Result<&Track, Error> {
        let index = on.device_index();
        index.map(|i| &self.shared.tracks[i]).ok_or_else(|| {
            Error::new(
                Operation::Record,
                format!("{on:?} is a lane of the host: kernels run on device lanes"),
            )
        })
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        for track in &self.shared.tracks {
            track.push(Step::Stop);
        }
        for thread in self.threads.drain(..) {
            // A lane catches the panics of its jobs; there is nothing left to report here.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, lane: usize) {
    loop {
        match shared.tracks[lane].take() {
            Step::Stop => return,
            Step::Record(mark, generation) => shared.marks.reach(mark, generation),
            Step::Wait(mark, generation) => shared.marks.park(mark, generation),
            Step::Run(what, job) => attempt(shared, what, job),
        }
    }
}

fn attempt(shared: &Shared, what: Operation, job: Job) {
    let lock = || shared.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if lock().is_some() {
        return;
    }
    let ended = catch_unwind(AssertUnwindSafe(job));
    let error = match ended {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(panic) => Error::new(what, device::panic_text(panic.as_ref())),
    };
    lock().get_or_insert(error);
}
