//! Reading shards back: the index, the place of each chunk, its checksum, its elements.
//!
//! A shard may be larger than memory, so it is never read whole: its index is, then one chunk at a time on each
//! thread. Nothing that is read is believed: a place outside of the shard is not read, and a size that no encoder
//! makes is not allocated.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use format::Entry;
use host::codec::Decoder;
use rayon::prelude::*;
use store::Store;

use crate::contents::Shard;
use crate::layout::Layout;

/// What was found out about one shard: of a damaged one, each thing that is wrong with it.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Chunks that are sound.
    pub(crate) chunks: u64,
    pub(crate) absent_chunks: u64,
    pub(crate) faults: Vec<String>,
}

/// Bytes read so far, told to whoever waits.
pub(crate) struct Progress<'a> {
    pub(crate) done: AtomicU64,
    pub(crate) total: u64,
    pub(crate) tell: &'a (dyn Fn(u64, u64) + Sync),
}

impl Progress<'_> {
    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.tell)(done, self.total);
    }
}

/// One array that is read back.
pub(crate) struct Readback<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) array: &'a format::Array,
    pub(crate) layout: &'a Layout,
    pub(crate) progress: &'a Progress<'a>,
}

/// A chunk that is stored: its position in the index, and its place.
type Placed = (usize, Entry);

thread_local! {
    /// Decoder and decoded chunk of one thread of the pool; they go when the pool does.
    static SCRATCH: RefCell<(Decoder, Vec<u8>)> = RefCell::default();
}

impl Readback<'_> {
    /// Reads one shard back, its chunks side by side on the threads of the pool.
    pub(crate) fn shard(&self, shard: &Shard) -> Outcome {
        let (outcome, counted) = match self.index(shard) {
            Ok((entries, body)) => self.chunks(shard, &entries, body),
            Err(fault) => (Outcome { faults: vec![fault], ..Outcome::default() }, 0),
        };
        self.progress.add(shard.size.saturating_sub(counted));
        outcome
    }

    fn index(&self, shard: &Shard) -> Result<(Vec<Option<Entry>>, std::ops::Range<u64>), String> {
        let short =
            || format!("{} bytes, of which its index alone has {}", shard.size, self.layout.index_bytes);
        let (index, body) = self.layout.split(shard.size).ok_or_else(short)?;
        let bytes = self.store.get_range(&shard.key, index).map_err(|e| e.to_string())?;
        Ok((format::decode(&bytes).map_err(|e| e.to_string())?, body))
    }

    /// Also returns the bytes that were told as progress.
    fn chunks(&self, shard: &Shard, entries: &[Option<Entry>], body: std::ops::Range<u64>) -> (Outcome, u64) {
        let stored: Vec<Placed> = entries.iter().enumerate().filter_map(|(i, e)| Some((i, (*e)?))).collect();
        let absent_chunks = (entries.len() - stored.len()) as u64;
        let (placed, mut faults) = places(stored, &body);
        let read = |&(position, entry): &Placed| {
            let read = SCRATCH.with_borrow_mut(|(decoder, out)| self.chunk(shard, entry, decoder, out));
            self.progress.add(entry.size);
            read.err().map(|fault| (position, entry, fault))
        };
        faults.extend(placed.par_iter().filter_map(read).collect::<Vec<_>>());
        faults.sort_by_key(|(position, ..)| *position);
        let counted = placed.iter().map(|(_, e)| e.size).sum();
        let faults: Vec<_> = faults.into_iter().map(|f| self.say(shard, &f)).collect();
        let chunks = (entries.len() - faults.len()) as u64 - absent_chunks;
        (Outcome { chunks, absent_chunks, faults }, counted)
    }

    fn say(&self, shard: &Shard, (position, entry, fault): &(usize, Entry, String)) -> String {
        let coords: Vec<_> =
            self.layout.chunk_at(&shard.coords, *position).iter().map(u64::to_string).collect();
        let end = entry.offset.saturating_add(entry.size);
        format!(
            "chunk {position} ({} of the array), bytes {}..{end}: {fault}",
            coords.join("/"),
            entry.offset
        )
    }

    fn chunk(
        &self,
        shard: &Shard,
        entry: Entry,
        decoder: &mut Decoder,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let want = self.layout.chunk_bytes;
        let most = self.array.codec.worst_case(want as u64).saturating_mul(2).saturating_add(1 << 16);
        if entry.size > most {
            return Err(format!("{} bytes are more than any encoder makes of {want}", entry.size));
        }
        let bytes = self
            .store
            .get_range(&shard.key, entry.offset..entry.offset + entry.size)
            .map_err(|e| e.to_string())?;
        let encoded = if self.array.crc32c { checked(&bytes)? } else { &bytes };
        out.try_reserve(want.saturating_sub(out.len()))
            .map_err(|_| format!("a chunk of {want} bytes does not fit in memory"))?;
        out.resize(want, 0);
        decoder.decode(&self.array.codec, encoded, out).map_err(|e| e.to_string())
    }
}

/// The chunks that lie where chunks may, and the others with what is wrong about them.
fn places(
    mut stored: Vec<Placed>,
    body: &std::ops::Range<u64>,
) -> (Vec<Placed>, Vec<(usize, Entry, String)>) {
    stored.sort_by_key(|(position, e)| (e.offset, e.size, *position));
    let (mut placed, mut faults, mut before) = (Vec::with_capacity(stored.len()), vec![], None);
    for (position, entry) in stored {
        // That offset and size together fit was checked with the index.
        let end = entry.offset + entry.size;
        let fault = match before {
            _ if entry.offset < body.start || end > body.end => {
                Some(format!("it lies outside of the shard's chunks, bytes {}..{}", body.start, body.end))
            }
            Some((other, taken)) if entry.offset < taken => Some(format!("it overlaps chunk {other}")),
            _ => None,
        };
        match fault {
            Some(fault) => faults.push((position, entry, fault)),
            None => {
                before = Some((position, end));
                placed.push((position, entry));
            }
        }
    }
    (placed, faults)
}

/// The bytes before a CRC-32C that is theirs.
fn checked(bytes: &[u8]) -> Result<&[u8], String> {
    let Some((encoded, found)) = bytes.split_last_chunk::<4>() else {
        return Err(format!("{} bytes have no room for a checksum", bytes.len()));
    };
    let (found, computed) = (u32::from_le_bytes(*found), crc32c::crc32c(encoded));
    if found == computed {
        return Ok(encoded);
    }
    Err(format!("the checksum behind it is {found:#010x}, its bytes have {computed:#010x}"))
}
