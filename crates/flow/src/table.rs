//! The edge table: stages, buffers, and the rows that order them.
//!
//! A *stage* runs on a lane, on a clock, submitted by a host stage. A *buffer* has copies on a clock. A *row* says
//! "this stage before that stage" and names the buffer that it guards. Depth and mechanism are derived: see
//! [`Row::depth`] and [`Row::mechanism`]. Nothing else in the project waits or records.

use device::Lane;
use plan::{Memory, Mode};

/// What counts generations, the finest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Clock {
    /// One staging slot sent off.
    Dispatch,
    /// One batch of epochs.
    Batch,
}

impl Clock {
    /// Every clock.
    pub const ALL: [Clock; 2] = [Clock::Dispatch, Clock::Batch];
}

/// A step of the orchestration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Stage {
    /// Takes the next chunk pool slot.
    Refill,
    /// Copies appended bytes into staging.
    Fill,
    /// Queues the packing of a batch.
    Kick,
    /// Queues the copies down and hands the batch over.
    Fetch,
    /// Learns the sizes of packed chunks.
    Size,
    /// Lets the next batch have what is left of pages.
    Publish,
    /// Hands packed runs to the store.
    Deliver,
    /// The store writes.
    SinkWrite,
    /// Staging goes up.
    Upload,
    /// The padding of a new pool slot gets the fill value.
    Zero,
    /// The begun epoch of a batch that was cut early moves to the next slot.
    Carry,
    /// Elements go to their chunks.
    Scatter,
    /// Coarser levels are made.
    Reduce,
    /// The packed order goes up.
    TablesUp,
    /// Chunks are compressed.
    Compress,
    /// Chunks are packed shard by shard.
    Aggregate,
    /// Offsets come down.
    Index,
    /// Packed chunks come down at once: their sizes were known.
    Raw,
    /// What is left of pages goes up, for the next batch to begin with.
    TailUpload,
    /// Exactly the packed bytes come down.
    Payload,
}

/// Memory that stages share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Buffer {
    /// Bytes as they were appended.
    Staging,
    /// The same, on a device with memory of its own.
    DeviceStaging,
    /// Chunks of the epochs of a batch.
    ChunkPool,
    /// Begun epochs of coarser levels, and what waits for the next epoch.
    Pyramid,
    /// Compressed chunks and their sizes.
    Scratch,
    /// Packed order, as the host wrote it.
    HostTables,
    /// Packed order, as the device reads it.
    Tables,
    /// Packed chunks.
    Packed,
    /// Offsets of packed chunks.
    PackedIndex,
    /// Offsets, on the host.
    HostIndex,
    /// Packed chunks, on the host.
    HostPayload,
    /// Shard indexes on their way to the store.
    Footers,
    /// The record of a kicked batch.
    Handoff,
    /// What is left of the pages of open shards, where the next batch reads it.
    Tail,
    /// The same, as the host keeps it for a device with memory of its own.
    HostTail,
}

/// Why a row is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The contents are valid.
    Ready,
    /// The copy may be used again.
    Reuse,
    /// What a generation leaves to the next is there.
    Carry,
}

/// How a row is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mechanism {
    /// Both stages run on one lane, in the order in which they were queued.
    Queue,
    /// The host stage runs before it submits the other.
    Call,
    /// One host lane waits for another.
    HandOff,
    /// A host lane waits for a device lane or for the store.
    HostWait,
    /// A device lane waits for another.
    Event,
    /// A device lane waits for what the host does later.
    Gate,
}

impl Mechanism {
    /// What the lanes of two stages, and of the host stage that submits the second, make of a row between them.
    #[must_use]
    pub const fn between(from: Lane, to: Lane, submitter: Lane) -> Mechanism {
        if matches!(from, Lane::Sink) {
            return Mechanism::HostWait;
        }
        if from as u8 == to as u8 {
            return Mechanism::Queue;
        }
        match (from.is_host(), to.is_host() && !matches!(to, Lane::Sink)) {
            (true, true) => Mechanism::HandOff,
            // The submitter of the waiting stage runs on the same thread, after; or it has run already, on another one.
            (true, false) if from as u8 == submitter as u8 => Mechanism::Call,
            (true, false) => Mechanism::Gate,
            (false, true) => Mechanism::HostWait,
            (false, false) => Mechanism::Event,
        }
    }

    /// Whether the row takes a record and a wait; the others come for free.
    #[must_use]
    pub const fn costs(self) -> bool {
        matches!(self, Mechanism::HandOff | Mechanism::HostWait | Mechanism::Event | Mechanism::Gate)
    }
}

/// Facts known at open that decide which rows are live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Case {
    /// When kicked batches are drained.
    pub mode: Mode,
    /// Copies of each batch buffer.
    pub slots: u8,
    /// Where device buffers lie.
    pub memory: Memory,
    /// Whether chunks are compressed.
    pub compressed: bool,
    /// Whether the store takes whole pages only, so that a tail is carried.
    pub aligned: bool,
    /// Whether there are coarser levels.
    pub pyramid: bool,
}

impl Case {
    const fn on_device(self) -> bool {
        matches!(self.memory, Memory::Device)
    }

    /// Whether the courier is a thread of its own; otherwise the producer does its work.
    const fn has_courier(self) -> bool {
        matches!(self.mode, Mode::Pipelined)
    }

    /// The facts of a plan.
    #[must_use]
    pub fn of(plan: &plan::Plan) -> Case {
        Case {
            mode: plan.mode,
            slots: plan.slots as u8,
            memory: plan.facts.memory,
            compressed: !plan.codec.is_none(),
            aligned: plan.is_aligned(),
            pyramid: !plan.coarser.is_empty(),
        }
    }
}

/// Copies of staging: one is filled while the other is scattered.
pub const STAGING_COPIES: u8 = 2;

impl Buffer {
    /// Every buffer.
    pub const ALL: [Buffer; 15] = [
        Buffer::Staging,
        Buffer::DeviceStaging,
        Buffer::ChunkPool,
        Buffer::Pyramid,
        Buffer::Scratch,
        Buffer::HostTables,
        Buffer::Tables,
        Buffer::Packed,
        Buffer::PackedIndex,
        Buffer::HostIndex,
        Buffer::HostPayload,
        Buffer::Footers,
        Buffer::Handoff,
        Buffer::Tail,
        Buffer::HostTail,
    ];

    /// Clock and number of copies.
    #[must_use]
    pub const fn copies(self, case: Case) -> (Clock, u8) {
        match self {
            Buffer::Staging | Buffer::DeviceStaging => (Clock::Dispatch, STAGING_COPIES),
            Buffer::Pyramid | Buffer::Scratch | Buffer::Tables | Buffer::Tail | Buffer::HostTail => {
                (Clock::Batch, 1)
            }
            _ => (Clock::Batch, case.slots),
        }
    }
}

impl Stage {
    /// Every stage, host stages first, in the order in which a batch passes them.
    pub const ALL: [Stage; 20] = [
        Stage::Refill,
        Stage::Fill,
        Stage::Kick,
        Stage::Fetch,
        Stage::Size,
        Stage::Publish,
        Stage::Deliver,
        Stage::SinkWrite,
        Stage::Upload,
        Stage::Zero,
        Stage::Carry,
        Stage::Scatter,
        Stage::Reduce,
        Stage::TablesUp,
        Stage::Compress,
        Stage::Aggregate,
        Stage::Index,
        Stage::Raw,
        Stage::TailUpload,
        Stage::Payload,
    ];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Refill => "Refill",
            Stage::Fill => "Fill",
            Stage::Kick => "Kick",
            Stage::Fetch => "Fetch",
            Stage::Size => "Size",
            Stage::Deliver => "Deliver",
            Stage::Publish => "Publish",
            Stage::SinkWrite => "SinkWrite",
            Stage::Upload => "Upload",
            Stage::Zero => "Zero",
            Stage::Carry => "Carry",
            Stage::Scatter => "Scatter",
            Stage::Reduce => "Reduce",
            Stage::TablesUp => "TablesUp",
            Stage::Compress => "Compress",
            Stage::Aggregate => "Aggregate",
            Stage::Index => "Index",
            Stage::Raw => "Raw",
            Stage::Payload => "Payload",
            Stage::TailUpload => "TailUpload",
        }
    }

    /// The lane that it runs on.
    #[must_use]
    pub const fn lane(self, case: Case) -> Lane {
        match self {
            Stage::Refill | Stage::Fill | Stage::Kick | Stage::Fetch => Lane::Producer,
            Stage::Size | Stage::Deliver | Stage::Publish if case.has_courier() => Lane::Courier,
            Stage::Size | Stage::Deliver | Stage::Publish => Lane::Producer,
            Stage::SinkWrite => Lane::Sink,
            Stage::Upload => Lane::H2d,
            Stage::Zero | Stage::Carry | Stage::Scatter | Stage::Reduce => Lane::Compute,
            Stage::TablesUp | Stage::Compress | Stage::Aggregate => Lane::Compress,
            Stage::Index | Stage::Raw => Lane::D2h,
            Stage::Payload | Stage::TailUpload => Lane::Drain,
        }
    }

    /// The clock that counts its generations.
    #[must_use]
    pub const fn clock(self) -> Clock {
        match self {
            Stage::Fill | Stage::Upload | Stage::Scatter => Clock::Dispatch,
            _ => Clock::Batch,
        }
    }

    /// The host stage that queues it; a host stage is its own.
    #[must_use]
    pub const fn submitter(self) -> Stage {
        match self {
            Stage::Zero | Stage::Carry => Stage::Refill,
            Stage::Upload | Stage::Scatter => Stage::Fill,
            Stage::Reduce | Stage::TablesUp | Stage::Compress | Stage::Aggregate => Stage::Kick,
            Stage::Index | Stage::Raw => Stage::Fetch,
            Stage::Payload | Stage::TailUpload => Stage::Size,
            Stage::SinkWrite => Stage::Deliver,
            host => host,
        }
    }

    /// Whether it exists under these facts.
    #[must_use]
    pub const fn present(self, case: Case) -> bool {
        match self {
            Stage::Compress => case.compressed,
            Stage::Reduce => case.pyramid,
            Stage::Upload | Stage::Index => case.on_device(),
            Stage::Raw => case.on_device() && !case.compressed,
            Stage::Payload => case.on_device() && case.compressed,
            Stage::TailUpload => case.on_device() && case.aligned,
            _ => true,
        }
    }

    /// Buffers that it reads, and buffers that it writes.
    #[must_use]
    pub const fn uses(self, case: Case) -> (&'static [Buffer], &'static [Buffer]) {
        use Buffer::*;
        let (device, compressed, aligned) = (case.on_device(), case.compressed, case.aligned);
        match self {
            Stage::Refill => (&[], &[]),
            Stage::Fill => (&[], &[Staging]),
            Stage::Upload => (&[Staging], &[DeviceStaging]),
            Stage::Zero => (&[], &[ChunkPool]),
            Stage::Carry => (&[ChunkPool], &[ChunkPool]),
            Stage::Scatter if device => (&[DeviceStaging], &[ChunkPool]),
            Stage::Scatter => (&[Staging], &[ChunkPool]),
            Stage::Reduce => (&[ChunkPool, Pyramid], &[ChunkPool, Pyramid]),
            Stage::Kick => (&[], &[HostTables]),
            Stage::TablesUp => (&[HostTables], &[Tables]),
            Stage::Compress => (&[ChunkPool], &[Scratch]),
            Stage::Aggregate if compressed && aligned => (&[Tables, Scratch, Tail], &[Packed, PackedIndex]),
            Stage::Aggregate if compressed => (&[Tables, Scratch], &[Packed, PackedIndex]),
            Stage::Aggregate if aligned => (&[Tables, ChunkPool, Tail], &[Packed, PackedIndex]),
            Stage::Aggregate => (&[Tables, ChunkPool], &[Packed, PackedIndex]),
            Stage::Fetch => (&[], &[Handoff]),
            Stage::Index => (&[PackedIndex], &[HostIndex]),
            Stage::Raw => (&[Packed], &[HostPayload]),
            Stage::Payload => (&[Packed], &[HostPayload]),
            Stage::Size if device && aligned => (&[Handoff, HostIndex, HostTail], &[HostTail]),
            Stage::Size if device => (&[Handoff, HostIndex], &[]),
            Stage::Size if aligned => (&[Handoff, PackedIndex, Tail], &[Tail]),
            Stage::Size => (&[Handoff, PackedIndex], &[]),
            Stage::Deliver if device && aligned => (&[Handoff, HostIndex, HostPayload, HostTail], &[Footers]),
            Stage::Deliver if device => (&[Handoff, HostIndex, HostPayload], &[Footers]),
            Stage::Deliver if aligned => (&[Handoff, PackedIndex, Packed, Tail], &[Footers]),
            Stage::Deliver => (&[Handoff, PackedIndex, Packed], &[Footers]),
            Stage::TailUpload => (&[HostTail], &[Tail]),
            Stage::SinkWrite if device => (&[HostPayload, Footers], &[]),
            Stage::SinkWrite => (&[Packed, Footers], &[]),
            // The handoff is used up by then: what is left of it is its generation.
            Stage::Publish => (&[], &[]),
        }
    }

    /// By how many generations the contents that it reads may be older than itself: what the generation before left.
    #[must_use]
    pub const fn looks_back(self, buffer: Buffer) -> u8 {
        match (self, buffer) {
            // The begun epoch stands in the slot of the batch before.
            (Stage::Carry, Buffer::ChunkPool) => 1,
            // What earlier batches began of coarser levels.
            (Stage::Reduce, Buffer::Pyramid) => 1,
            // What was left of pages by the batch before goes to the head of a region, or stays what it was.
            (Stage::Aggregate | Stage::Size, Buffer::Tail | Buffer::HostTail) => 1,
            _ => 0,
        }
    }

    /// Whether it writes a slot at the first use only. It waits and records all the same.
    #[must_use]
    pub const fn writes_once(self) -> bool {
        // Scattering never touches the padding, so it is filled once.
        matches!(self, Stage::Zero)
    }
}

/// One rule of order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// The stage that goes before.
    pub from: Stage,
    /// The stage that waits.
    pub to: Stage,
    /// The clock on which generations are compared.
    pub clock: Clock,
    /// Why.
    pub kind: Kind,
    /// The buffer that it guards (the first of several that it returns together).
    pub guards: Buffer,
}

impl Row {
    /// Generations by which the waiting stage runs ahead: 0 for contents, the copies of the buffer for reuse.
    #[must_use]
    pub const fn depth(self, case: Case) -> u8 {
        match self.kind {
            Kind::Ready => 0,
            Kind::Carry => 1,
            Kind::Reuse => self.guards.copies(case).1,
        }
    }

    /// How it is kept: follows from the lanes of both stages and from who submits them.
    #[must_use]
    pub const fn mechanism(self, case: Case) -> Mechanism {
        let submitter = self.to.submitter().lane(case);
        Mechanism::between(self.from.lane(case), self.to.lane(case), submitter)
    }
}

impl Row {
    /// What the waiting stage lacks: `staging`, a `slot`, the `sink`, the `gate`, the `input` or the `device`.
    #[must_use]
    pub const fn reason(self, case: Case) -> &'static str {
        match (self.from, self.mechanism(case), self.kind) {
            (Stage::SinkWrite, _, _) => "sink",
            (_, Mechanism::Gate, _) => "gate",
            (Stage::Fetch, _, _) => "input",
            (_, _, Kind::Reuse) if matches!(self.guards, Buffer::Staging | Buffer::DeviceStaging) => {
                "staging"
            }
            (_, _, Kind::Reuse) => "slot",
            _ => "device",
        }
    }
}

/// Number of rows.
pub const ROWS: usize = 24;

const fn row(
    name: &'static str,
    (from, to): (Stage, Stage),
    clock: Clock,
    kind: Kind,
    guards: Buffer,
) -> Option<Row> {
    Some(Row { name, from, to, clock, kind, guards })
}

/// Row `i`, where it is live under these facts.
///
/// Where memory is the host's own, copies vanish and so do their rows: staging comes back from the scatter, and the
/// packed slot itself is what the store reads.
#[must_use]
pub const fn live(i: usize, case: Case) -> Option<Row> {
    use Buffer::*;
    use Clock::{Batch, Dispatch};
    use Kind::{Carry, Ready, Reuse};
    use Stage::{
        Aggregate, Compress, Deliver, Fetch, Fill, Index, Kick, Payload, Publish, Raw, Reduce, Scatter,
        SinkWrite, Size, TablesUp, TailUpload, Upload, Zero,
    };
    let (device, compressed, aligned) = (case.on_device(), case.compressed, case.aligned);
    let up = if device { Upload } else { Scatter };
    let first = if compressed { Compress } else { Aggregate };
    let down = if compressed { Payload } else { Raw };
    match i {
        0 => row("staged", (Fill, up), Dispatch, Ready, Staging),
        1 => row("staging_free", (up, Fill), Dispatch, Reuse, Staging),
        2 if device => row("uploaded", (Upload, Scatter), Dispatch, Ready, DeviceStaging),
        3 if device => row("scattered", (Scatter, Upload), Dispatch, Reuse, DeviceStaging),
        4 => row("zeroed", (Zero, Scatter), Batch, Ready, ChunkPool),
        // Each of the two would follow from the other.
        5 if case.pyramid => row("reduced", (Reduce, first), Batch, Ready, ChunkPool),
        5 => row("filled", (Scatter, first), Batch, Ready, ChunkPool),
        // Drained by the producer, a batch has left its pool slot before the slot is taken again.
        6 if case.has_courier() => row("pool_free", (first, Zero), Batch, Reuse, ChunkPool),
        7 if compressed => row("scratch", (Compress, Aggregate), Batch, Ready, Scratch),
        8 if compressed => row("scratch_free", (Aggregate, Compress), Batch, Reuse, Scratch),
        9 => row("tables_staged", (Kick, TablesUp), Batch, Ready, HostTables),
        10 => row("tables_ready", (TablesUp, Aggregate), Batch, Ready, Tables),
        11 => row("tables_free", (Aggregate, TablesUp), Batch, Reuse, Tables),
        12 if device => row("packed", (Aggregate, Index), Batch, Ready, Packed),
        12 => row("packed", (Aggregate, Size), Batch, Ready, Packed),
        13 if device => row("index_down", (Index, Size), Batch, Ready, HostIndex),
        14 if device && compressed => row("sized", (Size, Payload), Batch, Ready, HostIndex),
        15 if device => row("payload_down", (down, Deliver), Batch, Ready, HostPayload),
        16 if case.has_courier() => row("handed", (Fetch, Size), Batch, Ready, Handoff),
        // On the host `sunk` goes to Kick too, and the courier's own share of it ends after Deliver: it implies this one.
        17 if device || !case.has_courier() => row("delivered", (Deliver, Kick), Batch, Reuse, Handoff),
        18 => row("to_sink", (Deliver, SinkWrite), Batch, Ready, Footers),
        19 if !device => row("sunk", (SinkWrite, Kick), Batch, Reuse, Packed),
        19 if compressed => row("sunk", (SinkWrite, Size), Batch, Reuse, HostPayload),
        19 => row("sunk", (SinkWrite, Fetch), Batch, Reuse, HostPayload),
        20 if device && aligned => row("tail_staged", (Size, TailUpload), Batch, Ready, HostTail),
        // Drained by the producer, a batch whose payload came down behind its tails has left them up there.
        21 if device && aligned && (case.has_courier() || !compressed) => {
            row("tail_uploaded", (TailUpload, Publish), Batch, Ready, Tail)
        }
        22 if aligned => row("tail_published", (Publish, Aggregate), Batch, Carry, Tail),
        23 if case.pyramid => row("scattered_whole", (Scatter, Reduce), Batch, Ready, ChunkPool),
        _ => None,
    }
}

/// All live rows, in table order.
pub fn rows(case: Case) -> impl Iterator<Item = (usize, Row)> {
    (0..ROWS).filter_map(move |i| live(i, case).map(|r| (i, r)))
}
