//! A store whose answers come when the simulation chooses, in any order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sim::Sim;
use store::{Done, Entry, Error, Object, Operation, Part, Store};

/// Finished objects, by key.
pub(crate) type Objects = BTreeMap<String, Vec<u8>>;

/// Such a store.
pub(crate) struct SimStore {
    sim: Sim,
    alignment: u64,
    objects: Arc<Mutex<Objects>>,
    fails: Fails,
}

/// Counts operations; the one of a number fails.
#[derive(Clone, Default)]
struct Fails {
    at: Option<u64>,
    count: Arc<AtomicU64>,
}

impl Fails {
    fn call(&self, key: &str) -> Result<(), Error> {
        if Some(self.count.fetch_add(1, Ordering::Relaxed)) == self.at {
            return Err(Error::new(Operation::Append, key, "injected into the store"));
        }
        Ok(())
    }
}

impl SimStore {
    /// The operation of number `fails` fails.
    pub(crate) fn new(sim: Sim, alignment: u64, fails: Option<u64>) -> SimStore {
        let fails = Fails { at: fails, count: Arc::default() };
        SimStore { sim, alignment, objects: Arc::default(), fails }
    }

    /// Operations so far.
    pub(crate) fn operations(&self) -> u64 {
        self.fails.count.load(Ordering::Relaxed)
    }

    pub(crate) fn shared(&self) -> Arc<Mutex<Objects>> {
        self.objects.clone()
    }

    pub(crate) fn objects(&self) -> Objects {
        self.objects.lock().unwrap().clone()
    }
}

#[derive(Default)]
struct Growing {
    bytes: Vec<u8>,
    appended: u64,
    under_way: usize,
    failed: Option<Error>,
    end: Option<(u64, Done)>,
}

impl Growing {
    /// Keeps the first error.
    fn fail(&mut self, ended: &Result<(), Error>) {
        if let Err(error) = ended {
            self.failed.get_or_insert(error.clone());
        }
    }
}

struct SimObject {
    key: String,
    sim: Sim,
    alignment: u64,
    objects: Arc<Mutex<Objects>>,
    growing: Arc<Mutex<Growing>>,
    fails: Fails,
}

impl Store for SimStore {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        self.objects.lock().unwrap().insert(key.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.objects.lock().unwrap().get(key).cloned())
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
        Ok(Box::new(SimObject {
            fails: self.fails.clone(),
            key: key.to_owned(),
            sim: self.sim.clone(),
            alignment: self.alignment,
            objects: self.objects.clone(),
            growing: Arc::default(),
        }))
    }

    fn alignment(&self) -> u64 {
        self.alignment
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl SimObject {
    /// Ends the object when nothing of it is under way.
    fn settle(key: &str, growing: &Mutex<Growing>, objects: &Mutex<Objects>) {
        let mut g = growing.lock().unwrap();
        if g.under_way > 0 {
            return;
        }
        let Some((length, done)) = g.end.take() else { return };
        let mut bytes = std::mem::take(&mut g.bytes);
        let failed = g.failed.take();
        drop(g);
        if let Some(error) = failed {
            return done(Err(error));
        }
        bytes.truncate(length as usize);
        objects.lock().unwrap().insert(key.to_owned(), bytes);
        done(Ok(()));
    }
}

impl Object for SimObject {
    fn append(&mut self, offset: u64, part: Part) -> Result<(), Error> {
        let length = part.bytes().len();
        let mut growing = self.growing.lock().unwrap();
        assert_eq!(offset, growing.appended, "{}: parts come in order", self.key);
        if self.alignment > 0 {
            assert_eq!(length as u64 % self.alignment, 0, "{}: whole pages", self.key);
        }
        growing.appended += length as u64;
        growing.bytes.resize(offset as usize + length, 0xDD);
        growing.under_way += 1;
        drop(growing);
        let (key, growing, objects) = (self.key.clone(), self.growing.clone(), self.objects.clone());
        let fails = self.fails.clone();
        self.sim.later(move || {
            let at = offset as usize;
            let ended = fails.call(&key);
            growing.lock().unwrap().bytes[at..at + length].copy_from_slice(part.bytes());
            growing.lock().unwrap().fail(&ended);
            part.returned(ended);
            growing.lock().unwrap().under_way -= 1;
            SimObject::settle(&key, &growing, &objects);
        });
        Ok(())
    }

    fn finalize(self: Box<Self>, length: u64, done: Done) {
        self.growing.lock().unwrap().fail(&self.fails.call(&self.key));
        self.growing.lock().unwrap().end = Some((length, done));
        let (key, growing, objects) = (self.key, self.growing, self.objects);
        self.sim.later(move || SimObject::settle(&key, &growing, &objects));
    }
}
