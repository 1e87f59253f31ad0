//! A store whose answers come from two threads of its own, in any order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex as Plain, PoisonError};

use device::sync::thread::{Builder, JoinHandle};
use device::sync::{Arc, Condvar, Mutex};
use store::{Done, Entry, Error, Object, Operation, Part, Store};

/// Finished objects, by key.
pub(crate) type Objects = BTreeMap<String, Vec<u8>>;

type Job = Box<dyn FnOnce() + Send>;

/// The store. What only one step reads and writes is behind the system's lock: nobody is stopped while holding it.
pub(crate) struct Sink {
    objects: Arc<Plain<Objects>>,
    alignment: u64,
    fails: Fails,
    queue: Arc<Queue>,
    threads: Plain<Vec<JoinHandle<()>>>,
}

/// Counts operations; the one of a number fails.
#[derive(Clone, Default)]
struct Fails {
    at: Option<u64>,
    count: Arc<Plain<u64>>,
}

impl Fails {
    fn call(&self, key: &str) -> Result<(), Error> {
        let mut count = plain(&self.count);
        *count += 1;
        let fails = Some(*count) == self.at;
        if fails { Err(Error::new(Operation::Append, key, "injected into the store")) } else { Ok(()) }
    }
}

/// What the threads have to do.
#[derive(Default)]
struct Queue {
    state: Mutex<(VecDeque<Job>, bool)>,
    changed: Condvar,
}

impl Queue {
    fn put(&self, job: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().0.push_back(Box::new(job));
        self.changed.notify_one();
    }

    fn work(&self) {
        loop {
            let mut state = self.state.lock().unwrap();
            while state.0.is_empty() && !state.1 {
                state = self.changed.wait(state).unwrap();
            }
            let Some(job) = state.0.pop_front() else { return };
            drop(state);
            job();
        }
    }

    fn close(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

fn plain<T>(of: &Plain<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink {
    /// The operation of number `fails`, from 1, fails.
    pub(crate) fn new(alignment: u64, fails: Option<u64>) -> Arc<Sink> {
        let queue = Arc::new(Queue::default());
        let start = |n| {
            let queue = queue.clone();
            Builder::new().name(format!("sink {n}")).spawn(move || queue.work()).unwrap()
        };
        let threads = Plain::new((0..2).map(start).collect());
        let fails = Fails { at: fails, count: Arc::default() };
        Arc::new(Sink { objects: Arc::default(), alignment, fails, queue, threads })
    }

    pub(crate) fn objects(&self) -> Objects {
        plain(&self.objects).clone()
    }

    /// The same, for who must not hold the store.
    pub(crate) fn seen(&self) -> Arc<Plain<Objects>> {
        self.objects.clone()
    }

    /// Answers what is left, and ends.
    pub(crate) fn end(&self) {
        self.queue.close();
        let threads = std::mem::take(&mut *plain(&self.threads));
        threads.into_iter().for_each(|t| t.join().unwrap());
    }
}

impl Store for Sink {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        plain(&self.objects).insert(key.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(plain(&self.objects).get(key).cloned())
    }

    fn get_range(&self, key: &str, range: std::ops::Range<u64>) -> Result<Vec<u8>, Error> {
        let bytes = self.get(key)?.unwrap_or_default();
        let part = bytes.get(range.start as usize..range.end as usize);
        part.map(<[u8]>::to_vec).ok_or_else(|| Error::new(Operation::Get, key, "short"))
    }

    fn size(&self, key: &str) -> Result<Option<u64>, Error> {
        Ok(self.get(key)?.map(|b| b.len() as u64))
    }

    fn list(&self, _prefix: &str) -> Result<Vec<Entry>, Error> {
        Ok(vec![])
    }

    fn create(&self, key: &str) -> Result<Box<dyn Object>, Error> {
        self.fails.call(key)?;
        let (objects, queue) = (self.objects.clone(), self.queue.clone());
        let growing = Arc::new(Growing { key: key.to_owned(), objects, state: Plain::default() });
        Ok(Box::new(SinkObject {
            growing,
            queue,
            alignment: self.alignment,
            fails: self.fails.clone(),
            at: 0,
        }))
    }

    fn alignment(&self) -> u64 {
        self.alignment
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }
}

struct SinkObject {
    growing: Arc<Growing>,
    queue: Arc<Queue>,
    alignment: u64,
    fails: Fails,
    at: u64,
}

/// What has come of an object, and what is still to come.
struct Growing {
    key: String,
    objects: Arc<Plain<Objects>>,
    state: Plain<State>,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    under_way: usize,
    failed: Option<Error>,
    end: Option<(u64, Done)>,
}

impl Growing {
    /// Keeps the first error.
    fn keep(&self, ended: &Result<(), Error>) {
        if let Err(error) = ended {
            plain(&self.state).failed.get_or_insert(error.clone());
        }
    }

    /// Ends the object when nothing of it is under way.
    fn settle(&self) {
        let mut state = plain(&self.state);
        if state.under_way > 0 {
            return;
        }
        let Some((length, done)) = state.end.take() else { return };
        let (mut bytes, failed) = (std::mem::take(&mut state.bytes), state.failed.take());
        drop(state);
        if let Some(error) = failed {
            return done(Err(error));
        }
        bytes.truncate(length as usize);
        plain(&self.objects).insert(self.key.clone(), bytes);
        done(Ok(()));
    }
}

impl Object for SinkObject {
    fn append(&mut self, offset: u64, part: Part) -> Result<(), Error> {
        let (at, length) = (offset as usize, part.bytes().len());
        assert_eq!(offset, self.at, "{}: parts come in order", self.growing.key);
        assert!(self.alignment == 0 || (length as u64).is_multiple_of(self.alignment), "whole pages");
        self.at += length as u64;
        {
            let mut state = plain(&self.growing.state);
            state.bytes.resize(at + length, 0xDD);
            state.under_way += 1;
        }
        let (growing, fails) = (self.growing.clone(), self.fails.clone());
        self.queue.put(move || {
            let ended = fails.call(&growing.key);
            growing.keep(&ended);
            // Read as late as a disk does; and before the lock, which is not one of the model's: others may go on in it.
            let read = part.bytes();
            plain(&growing.state).bytes[at..at + length].copy_from_slice(read);
            part.returned(ended);
            plain(&growing.state).under_way -= 1;
            growing.settle();
        });
        Ok(())
    }

    fn finalize(self: Box<Self>, length: u64, done: Done) {
        self.growing.keep(&self.fails.call(&self.growing.key));
        plain(&self.growing.state).end = Some((length, done));
        let growing = self.growing;
        self.queue.put(move || growing.settle());
    }
}
