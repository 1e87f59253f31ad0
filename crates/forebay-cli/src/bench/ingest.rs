//! The ways in which frames reach a writer.

use forebay::{Registered, Writer};

use super::pieces::Pieces;
use crate::Failure;
use crate::interrupt::Stop;

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Ingest {
    /// Append copies the caller's bytes
    Copy,
    /// The writer's memory is filled in place; here by a copy, which stands for what a camera would send
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
                "each frame is copied into memory that the writer lends; the copy stands for a camera's transfer and \
                 is in the time"
            }
            Ingest::Registered => {
                "frames lie in registered memory before the clock starts and are read there; nothing fills it in the \
                 time"
            }
        }
    }
}

/// A source in the form that its way in takes.
pub(crate) enum Intake<'a> {
    Copy(Pieces<'a>),
    Reserve(Pieces<'a>),
    Registered { ring: Vec<Registered>, bytes: u64 },
}

impl<'a> Intake<'a> {
    /// Gets ready what the writer shall not be timed for.
    pub(crate) fn ready(ingest: Ingest, pieces: Pieces<'a>, writer: &Writer) -> Result<Intake<'a>, Failure> {
        Ok(match ingest {
            Ingest::Copy => Intake::Copy(pieces),
            Ingest::Reserve => Intake::Reserve(pieces),
            Ingest::Registered => {
                let ring = pieces.once_round().map(|piece| writer.register(piece.to_vec()));
                Intake::Registered { ring: ring.collect::<Result<_, _>>()?, bytes: pieces.bytes() }
            }
        })
    }

    /// Appends all of it, or until the user asks to stop.
    pub(crate) fn pour(self, writer: &mut Writer, stop: &Stop) -> Result<(), Failure> {
        match self {
            Intake::Copy(pieces) => {
                for piece in pieces.take_while(|_| !stop.asked()) {
                    writer.append(piece)?;
                }
            }
            Intake::Reserve(pieces) => {
                for piece in pieces.take_while(|_| !stop.asked()) {
                    let mut room = writer.reserve(piece.len())?;
                    room.copy_from_slice(piece);
                    room.commit(piece.len())?;
                }
            }
            Intake::Registered { mut ring, bytes: mut left } => {
                let mut next = 0;
                while left > 0 && !stop.asked() {
                    let memory = &mut ring[next];
                    let piece = usize::try_from(left).unwrap_or(usize::MAX).min(memory.len());
                    // As a driver would before it fills it again: the writer must have read what it held.
                    memory.bytes_mut()?;
                    writer.append_registered(memory, piece)?;
                    next = (next + 1) % ring.len();
                    left -= piece as u64;
                }
            }
        }
        Ok(())
    }
}
