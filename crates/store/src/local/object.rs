//! One file under construction, and the jobs that its parts and its end become.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::ahead::Ahead;
use super::budget::{Budget, Reservation};
use super::folders::Folders;
use super::pool::Queue;
use super::write::{WriteAt, write_all_at};
use crate::claims::Claim;
use crate::cursor::Cursor;
use crate::lock::lock;
use crate::part::refuse;
use crate::refusal::Refusal;
use crate::tally::Tally;
use crate::{Done, Error, Object, Operation, Part};

/// What an I/O thread does.
pub(super) enum Job {
    /// Write one part and give it back.
    Write(Write),
    /// End an object of which no part is under way.
    End(Arc<Shared>, End),
}

pub(super) struct Write {
    object: Arc<Shared>,
    offset: u64,
    part: Part,
    reservation: Reservation,
}

/// How an object ends.
pub(super) struct End {
    /// The length that it is cut to, if it is cut at all. A length that was refused is kept here and not with
    /// the failed appends, because it must not stop those that are under way.
    cut: Result<Option<u64>, Error>,
    done: Done,
}

/// Where an object goes.
pub(super) struct Target {
    pub(super) key: String,
    /// The file that it becomes, and the one that it is until then.
    pub(super) path: PathBuf,
    pub(super) partial: PathBuf,
    /// The page of a file that is written to directly; 0 for one that goes through the system's cache.
    pub(super) page: u64,
}

/// What an object's owner and its jobs have in common.
pub(super) struct Shared {
    target: Target,
    file: Box<dyn WriteAt>,
    ahead: Option<Ahead>,
    folders: Arc<Folders>,
    tally: Tally<End>,
    /// Given up when the object ends, or with the last job of an abandoned one.
    claim: Mutex<Option<Claim>>,
}

/// The object as its owner holds it.
pub(super) struct Growing {
    shared: Arc<Shared>,
    cursor: Cursor,
    budget: Arc<Budget>,
    queue: Arc<Queue<Job>>,
}

/// Runs a job of any object.
pub(super) fn run(job: Job) {
    match job {
        Job::Write(write) => write.run(),
        Job::End(object, end) => object.end(end),
    }
}

impl Growing {
    pub(super) fn new(shared: Shared, budget: Arc<Budget>, queue: Arc<Queue<Job>>) -> Self {
        let cursor = Cursor::new(&shared.target.key, shared.target.page);
        Self { shared: Arc::new(shared), cursor, budget, queue }
    }

    fn closed(&self, operation: Operation) -> Error {
        Error::of_path(operation, &self.shared.target.key, None, &self.shared.target.partial, Refusal::Closed)
    }
}

impl Object for Growing {
    fn append(&mut self, offset: u64, part: Part) -> Result<(), Error> {
        let length = part.bytes().len() as u64;
        if let Err(error) = self.shared.tally.check().and_then(|()| self.cursor.check(offset, part.bytes())) {
            return refuse(part, error);
        }
        let reservation = self.budget.reserve(length);
        self.shared.tally.sent();
        let job = Write { object: Arc::clone(&self.shared), offset, part, reservation };
        if let Err(Job::Write(write)) = self.queue.push(Job::Write(job)) {
            // Nobody can wait for an end yet: the owner is still appending.
            drop(self.shared.tally.back());
            return refuse(write.part, self.closed(Operation::Append));
        }
        self.cursor.advance(length);
        Ok(())
    }

    fn finalize(self: Box<Self>, length: u64, done: Done) {
        // What was allocated ahead stays with a file until it is cut, even to the length that it has.
        let must_cut = length < self.cursor.appended() || self.shared.ahead.is_some();
        let cut = self.cursor.check_end(length).map(|()| must_cut.then_some(length));
        let end = End { cut, done };
        let Some(end) = self.shared.tally.end(end) else {
            return;
        };
        // Also when nothing is under way, the disk is waited for on an I/O thread and not here.
        if let Err(Job::End(object, end)) = self.queue.push(Job::End(Arc::clone(&self.shared), end)) {
            object.tally.fail(self.closed(Operation::Finalize));
            object.end(end);
        }
    }
}

impl Drop for Growing {
    /// Finalized or abandoned, in either case nobody appends any more.
    fn drop(&mut self) {
        if let Some(claim) = &*lock(&self.shared.claim) {
            claim.owner_left();
        }
    }
}

impl Write {
    fn run(self) {
        let Write { object, offset, part, reservation } = self;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let result = object.write(offset, part.bytes());
            // Room for others first: who takes the part back may bring the next one.
            drop(reservation);
            part.returned(result);
        }));
        if outcome.is_err() {
            object.tally.fail(object.error(Operation::Append, Some(offset), Refusal::Panicked));
        }
        if let Some(end) = object.tally.back() {
            object.end(end);
        }
    }
}

impl Shared {
    pub(super) fn new(target: Target, file: Box<dyn WriteAt>, claim: Claim, folders: Arc<Folders>) -> Self {
        // The cache gathers writes and finds room for them together; without it, that is up to this crate.
        let ahead = (target.page > 0).then(Ahead::new);
        Self { target, file, ahead, folders, tally: Tally::new(), claim: Mutex::new(Some(claim)) }
    }

    /// Writes a part's bytes. After the first error the others are not written any more.
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.tally.check()?;
        if let Some(ahead) = &self.ahead {
            ahead.reach(&*self.file, offset + bytes.len() as u64);
        }
        write_all_at(&*self.file, bytes, offset, self.target.page).map_err(|(at, error)| {
            let error = self.error(Operation::Append, Some(at), error);
            tracing::warn!(%error, "a write failed");
            self.tally.fail(error.clone());
            error
        })
    }

    /// Ends the object: no part is under way, and none will come.
    fn end(&self, end: End) {
        let result = self.tally.check().and(end.cut).and_then(|cut| self.publish(cut));
        // The key is free again before the caller hears of it, so that it may create the object anew.
        drop(lock(&self.claim).take());
        (end.done)(result);
    }

    /// Bytes first, then the name, then the folder: so a name never stands for less than the whole object.
    fn publish(&self, cut: Option<u64>) -> Result<(), Error> {
        let fail = |error| self.error(Operation::Finalize, None, error);
        if let Some(length) = cut {
            self.file.set_length(length).map_err(fail)?;
        }
        self.file.sync_data().map_err(fail)?;
        std::fs::rename(&self.target.partial, &self.target.path).map_err(fail)?;
        self.folders
            .settle(&self.target.path)
            .map_err(|(folder, error)| self.error_at(Operation::Finalize, None, &folder, error))
    }

    fn error<E>(&self, operation: Operation, offset: Option<u64>, source: E) -> Error
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.error_at(operation, offset, &self.target.partial, source)
    }

    fn error_at<E>(&self, operation: Operation, offset: Option<u64>, path: &Path, source: E) -> Error
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Error::of_path(operation, &self.target.key, offset, path, source)
    }
}
