//! The ways in which frames reach a writer.

use forebay::{Plan, Registered, Writer};

use super::pieces::Pieces;
use crate::Failure;
use crate::interrupt::Stop;

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Ingest {
    /// Append copies the caller's bytes
    Copy,
    /// The writer's memory is lent to be filled in place, as by a frame grabber's DMA; here it is filled once before the
    /// clock starts and handed back untouched
    Reserve,
    /// The writer reads the caller's memory where it lies
    Registered,
}

impl Ingest {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Ingest::Copy => "copy",
            Ingest::Reserve => "reserve",
            Ingest::Registered => "registered",
        }
    }

    /// What is in the time, in words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Ingest::Copy => "append copies each frame",
            Ingest::Reserve => {
                "the writer's slots were filled once before the clock started and are handed back untouched, as a \
                 frame grabber's DMA would; what is stored is what a slot held when it was lent again"
            }
            Ingest::Registered => {
                "frames lie in registered memory before the clock starts and are read there; nothing fills it in the \
                 time"
            }
        }
    }
}

/// Staging slots of a writer, and the bytes of all of them.
pub(crate) fn slots(plan: &Plan) -> (u64, u64) {
    let copies = plan.budget.holders.iter().find(|h| h.name == "staging").map_or(1, |h| h.copies);
    (copies, copies * plan.staging_bytes)
}

/// What is appended before the clock starts, so that every slot is filled once: whole layers.
fn filling(plan: &Plan) -> u64 {
    let layer = plan.slice_bytes * plan.dims[0].chunk.unwrap_or(1);
    slots(plan).1.next_multiple_of(layer.max(1))
}

/// A source in the form that its way in takes.
pub(crate) enum Intake<'a> {
    Copy(Pieces<'a>),
    /// Sizes of what is taken; the memory holds its frames already.
    Reserve(Pieces<'a>),
    Registered {
        ring: Vec<Registered>,
        bytes: u64,
    },
}

impl<'a> Intake<'a> {
    /// Gets ready what the writer shall not be timed for.
    pub(crate) fn ready(
        ingest: Ingest,
        pieces: Pieces<'a>,
        writer: &mut Writer,
    ) -> Result<Intake<'a>, Failure> {
        Ok(match ingest {
            Ingest::Copy => Intake::Copy(pieces),
            Ingest::Reserve => {
                fill(writer, pieces.source())?;
                Intake::Reserve(pieces)
            }
            Ingest::Registered => {
                let ring = pieces.once_round().map(|piece| writer.register(piece.to_vec()));
                Intake::Registered { ring: ring.collect::<Result<_, _>>()?, bytes: pieces.bytes() }
            }
        })
    }

    /// Appends all of it, or until the user asks to stop. Memory of the caller's stays what it is.
    pub(crate) fn pour(&mut self, writer: &mut Writer, stop: &Stop) -> Result<(), Failure> {
        match self {
            Intake::Copy(pieces) => {
                for piece in pieces.by_ref().take_while(|_| !stop.asked()) {
                    writer.append(piece)?;
                }
            }
            Intake::Reserve(pieces) => {
                for piece in pieces.by_ref().take_while(|_| !stop.asked()) {
                    writer.reserve(piece.len())?.commit(piece.len())?;
                }
            }
            Intake::Registered { ring, bytes: left } => {
                let mut next = 0;
                while *left > 0 && !stop.asked() {
                    let memory = &mut ring[next];
                    let piece = usize::try_from(*left).unwrap_or(usize::MAX).min(memory.len());
                    // As a driver would before it fills it again: the writer must have read what it held.
                    memory.bytes_mut()?;
                    writer.append_registered(memory, piece)?;
                    next = (next + 1) % ring.len();
                    *left -= piece as u64;
                }
            }
        }
        Ok(())
    }
}

/// Fills every slot of a writer with frames, and waits until nothing of that is under way.
fn fill(writer: &mut Writer, source: &[u8]) -> Result<(), Failure> {
    let (slot, mut left) = (writer.plan().staging_bytes, filling(writer.plan()));
    let mut frames = Pieces::new(source, 0, source.len(), left);
    let mut rest: &[u8] = &[];
    while left > 0 {
        let bytes = slot.min(left) as usize;
        let mut room = writer.reserve(bytes)?;
        let mut at = 0;
        while at < bytes {
            if rest.is_empty() {
                rest = frames.next().unwrap_or_default();
            }
            let (now, later) = rest.split_at(rest.len().min(bytes - at));
            room[at..at + now.len()].copy_from_slice(now);
            (at, rest) = (at + now.len(), later);
        }
        room.commit(bytes)?;
        left -= bytes as u64;
    }
    Ok(writer.flush()?)
}
