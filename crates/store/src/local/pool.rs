//! A fixed set of threads that take jobs from one queue, in order.
//!
//! The threads are this room's own: they only wait for the disk, and the order in which they do is none that
//! the rest of the program relies on.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::lock::lock;

/// The threads. Dropping it finishes the jobs that are queued, refuses others, and joins the threads.
pub(super) struct Pool<J> {
    queue: Arc<Queue<J>>,
    threads: Vec<JoinHandle<()>>,
}

/// Where jobs wait for a thread.
pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
}

struct State<J> {
    jobs: VecDeque<J>,
    closed: bool,
}

impl<J: Send + 'static> Pool<J> {
    /// Starts so many threads, which `run` the jobs.
    pub(super) fn start(threads: usize, run: fn(J)) -> io::Result<Self> {
        let mut pool = Self { queue: Arc::new(Queue::new()), threads: Vec::with_capacity(threads) };
        for number in 0..threads {
            let queue = Arc::clone(&pool.queue);
            let named = thread::Builder::new().name(format!("forebay-io-{number}"));
            // If one cannot start, dropping the pool joins those before it.
            pool.threads.push(named.spawn(move || queue.work(run))?);
        }
        Ok(pool)
    }

    /// The queue, to be kept by those who bring jobs.
    pub(super) fn queue(&self) -> Arc<Queue<J>> {
        Arc::clone(&self.queue)
    }
}

impl<J> Drop for Pool<J> {
    fn drop(&mut self) {
        lock(&self.queue.state).closed = true;
        self.queue.changed.notify_all();
        let this = thread::current().id();
        // The last owner may let go of the store on one of its own threads, which cannot wait for itself.
        for thread in self.threads.drain(..).filter(|thread| thread.thread().id() != this) {
            // It caught the panics of its jobs, so it has nothing to tell.
            thread.join().unwrap_or_default();
        }
    }
}

impl<J> Queue<J> {
    fn new() -> Self {
        Self { state: Mutex::new(State { jobs: VecDeque::new(), closed: false }), changed: Condvar::new() }
    }

    /// Queues `job`; a closed pool gives it back.
    pub(super) fn push(&self, job: J) -> Result<(), J> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(job);
        }
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    fn work(&self, run: fn(J)) {
        while let Some(job) = self.next() {
            // A callback that panics has been reported on standard error. The thread must outlive it, because
            // other objects wait for their writes.
            if catch_unwind(AssertUnwindSafe(|| run(job))).is_err() {
                tracing::error!("a callback of the store's caller panicked");
            }
        }
    }

    /// The next job; `None` when there is none left and the pool is closed.
    fn next(&self) -> Option<J> {
        let idle = |state: &mut State<J>| state.jobs.is_empty() && !state.closed;
        let mut state =
            self.changed.wait_while(lock(&self.state), idle).unwrap_or_else(PoisonError::into_inner);
        state.jobs.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    type Job = Box<dyn FnOnce() + Send>;

    fn pool(threads: usize) -> Pool<Job> {
        Pool::start(threads, |job: Job| job()).expect("threads")
    }

    fn sending(number: u32, to: &Sender<u32>) -> Job {
        let to = to.clone();
        Box::new(move || to.send(number).expect("send"))
    }

    #[test]
    fn finishes_what_is_queued_and_refuses_what_comes_later() {
        let pool = pool(2);
        let queue = pool.queue();
        let (sender, results) = channel();
        for number in 0..100 {
            assert!(queue.push(sending(number, &sender)).is_ok());
        }
        drop(pool);
        assert_eq!(results.try_iter().sum::<u32>(), 4950, "all ran before the drop came back");
        assert!(queue.push(sending(0, &sender)).is_err());
    }

    #[test]
    fn survives_a_job_that_panics() {
        let pool = pool(1);
        let (sender, results) = channel();
        assert!(pool.queue().push(Box::new(|| panic!("on purpose, in a test"))).is_ok());
        assert!(pool.queue().push(sending(7, &sender)).is_ok());
        assert_eq!(results.recv(), Ok(7));
    }

    #[test]
    fn may_be_dropped_on_one_of_its_threads() {
        let pool = pool(1);
        let queue = pool.queue();
        let (sender, results) = channel();
        let last = sending(7, &sender);
        let job = move || {
            drop(pool);
            last();
        };
        assert!(queue.push(Box::new(job)).is_ok());
        assert_eq!(results.recv(), Ok(7));
    }
}
