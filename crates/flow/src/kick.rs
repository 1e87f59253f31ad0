//! Kick and refill: a batch through tables, compress, aggregate and the copies down; the next slot taken.

use device::CopyJob;
use device::sync::Arc;
use plan::{BatchLayout, Cascade, Part, Step};
use stage::{At, Sources, Touched, Views};

use crate::Error;
use crate::courier::{Handed, Handoff, Payload};
use crate::lease::{Draining, Filling, Lease, Ready};
use crate::order::Entered;
use crate::producer::Producer;
use crate::run::lock;
use crate::table::{Clock, Stage};

/// Layouts of batches, kept while they repeat: they depend on where in a row of shards a batch begins, level by level.
#[derive(Default)]
pub(crate) struct Layouts {
    last: Option<Arc<BatchLayout>>,
}

impl Layouts {
    fn get(&mut self, plan: &plan::Plan, parts: &[Part]) -> Arc<BatchLayout> {
        let layout = match self.last.take() {
            Some(mut layout) if repeats(plan, &layout.parts, parts) => {
                let per_row = |level: usize| plan.grid_of(level).epochs_per_row;
                let rows = |(l, (new, old)): (usize, (&Part, &Part))| {
                    new.first_epoch.saturating_sub(old.first_epoch) / per_row(l)
                };
                let rows: Vec<u64> = parts.iter().zip(&layout.parts).enumerate().map(rows).collect();
                // The courier may still read the last one; then this is a copy.
                let own = Arc::make_mut(&mut layout);
                own.parts.copy_from_slice(parts);
                own.regions.iter_mut().for_each(|r| r.row += rows[r.level as usize]);
                layout
            }
            _ => Arc::new(BatchLayout::new(plan, parts)),
        };
        self.last = Some(layout.clone());
        layout
    }
}

/// Whether a batch is laid out as another one was, but for its rows.
fn repeats(plan: &plan::Plan, old: &[Part], new: &[Part]) -> bool {
    let alike = |(l, (old, new)): (usize, (&Part, &Part))| {
        let per_row = plan.grid_of(l).epochs_per_row;
        let phase = |part: &Part| part.first_epoch % per_row;
        (old.epochs, old.place) == (new.epochs, new.place) && (new.epochs == 0 || phase(old) == phase(new))
    };
    old.iter().zip(new).enumerate().all(alike)
}

/// A packed batch, on the device.
struct Packed {
    payload: Lease<Ready>,
    index: Lease<Ready>,
}

impl Producer {
    /// Queues everything that a batch needs, up to its hand-off. Returns the pool slot, which the batch reads until
    /// `pool_free` is recorded. `last`: no more batches come, and so many rows of shards of each level end with this one.
    pub(crate) fn kick(&mut self, last: Option<Vec<u64>>) -> Result<Lease<Draining>, Error> {
        let run = self.run.clone();
        let (order, generation) = (&run.engine.order, self.batch);
        order.close(Stage::Scatter, Clock::Batch, generation)?;
        let kick = order.begin(Stage::Kick, generation)?;
        // After a failure the courier gives slots back without waiting for the device: they must not be used again.
        run.fault.check()?;
        let cascade = self.reduce()?;
        let layout = self.layouts.get(&run.plan, &cascade.parts);
        let tables = self.upload_tables(&kick, &layout)?;
        let (pool, packed) = self.pack(&layout, tables)?;
        kick.end()?;
        let (fetch, index, payload) = self.fetch(&layout, packed)?;
        run.counts.add(|t| t.batches += 1);
        let handoff = Handoff { generation, layout, index, payload, last };
        lock(&run.handoffs).push_back(Handed::Batch(handoff));
        // Recorded only now: the courier takes what it is handed.
        fetch.end()?;
        self.first_epoch += u64::from(self.epochs);
        self.epochs = 0;
        self.batch += 1;
        Ok(pool)
    }

    /// Queues the coarser levels of a batch; what it has of each level.
    fn reduce(&mut self) -> Result<Cascade, Error> {
        let run = self.run.clone();
        let end = self.end.filter(|_| !self.ended);
        let cascade = Cascade::new(&run.plan, self.first_epoch, self.epochs, end);
        self.ended |= end.is_some_and(|end| self.first_epoch + u64::from(self.epochs) >= end.epochs);
        let Some(pyramid) = &run.engine.buffers.pyramid else { return Ok(cascade) };
        let entered = run.engine.order.begin(Stage::Reduce, self.batch)?;
        let mut levels = pyramid.fill(&entered)?;
        let mut pool = self.take_pool()?;
        for step in &cascade.steps {
            let views = views(&run.plan, step, &entered, (&mut pool, &mut levels));
            stage::pyramid_step((run.device(), run.lane(Stage::Reduce)), &run.plan, step, views)?;
        }
        self.pool = Some(pool);
        levels.seal().give_up();
        entered.end()?;
        Ok(cascade)
    }

    fn upload_tables(&self, kick: &Entered, layout: &BatchLayout) -> Result<Lease<Ready>, Error> {
        let (engine, bytes) = (&self.run.engine, stage::table_bytes(layout));
        let mut host = engine.buffers.host_tables.fill(kick)?;
        stage::write_tables(layout, host.write(kick, 0..bytes))?;
        let entered = engine.order.begin(Stage::TablesUp, self.batch)?;
        let host = host.seal().drain(&entered);
        let mut tables = engine.buffers.tables.fill(&entered)?;
        let job = CopyJob { from: host.read(&entered, 0..bytes), to: tables.write(&entered, 0..bytes) };
        self.run.device().copy(self.run.lane(Stage::TablesUp), job)?;
        host.retire();
        entered.end()?;
        Ok(tables.seal())
    }

    /// Compress, where there is a codec, and aggregate.
    fn pack(
        &mut self,
        layout: &BatchLayout,
        tables: Lease<Ready>,
    ) -> Result<(Lease<Draining>, Packed), Error> {
        let run = self.run.clone();
        let (engine, plan) = (&run.engine, &*run.plan);
        let pool = self.take_pool()?.seal();
        let (pool, scratch) = match (&engine.encoder, &engine.buffers.scratch) {
            (Some(encoder), Some(buffer)) => {
                let entered = engine.order.begin(Stage::Compress, self.batch)?;
                let pool = pool.drain(&entered);
                let mut scratch = buffer.fill(&entered)?;
                let (all, room) = (0..pool.len(), 0..scratch.len());
                let (from, to) = (pool.read(&entered, all), scratch.write(&entered, room));
                stage::compress(run.lane(Stage::Compress), (plan, layout), &**encoder, &from, to)?;
                entered.end()?;
                (Chunks::Read(pool), Some(scratch.seal()))
            }
            _ => (Chunks::Unread(pool), None),
        };
        let entered = engine.order.begin(Stage::Aggregate, self.batch)?;
        let tables = tables.drain(&entered);
        let scratch = scratch.map(|s| s.drain(&entered));
        let pool = match pool {
            Chunks::Read(pool) => pool,
            Chunks::Unread(pool) => pool.drain(&entered),
        };
        let tail = engine.buffers.tail.as_ref().map(|t| t.carried(&entered)).transpose()?;
        let chunks = scratch.as_ref().unwrap_or(&pool);
        let (mut payload, mut index) =
            (engine.buffers.packed.fill(&entered)?, engine.buffers.packed_index.fill(&entered)?);
        let from = Sources {
            tables: tables.read(&entered, 0..tables.len()),
            chunks: chunks.read(&entered, 0..chunks.len()),
            tails: tail.as_ref().map(|t| t.read(&entered, 0..t.len())),
        };
        let (room, places) = (0..payload.len(), 0..index.len());
        let (to, at) = (payload.write(&entered, room), index.write(&entered, places));
        stage::aggregate((run.device(), run.lane(Stage::Aggregate)), (plan, layout), &from, to, at)?;
        drop(from);
        tables.retire();
        tail.into_iter().for_each(Lease::retire);
        if let Some(scratch) = scratch {
            scratch.retire();
        }
        entered.end()?;
        Ok((pool, Packed { payload: payload.seal(), index: index.seal() }))
    }

    fn take_pool(&mut self) -> Result<Lease<Filling>, Error> {
        let why = || Error::Lost { buffer: "chunk pool", generation: self.batch, cause: "an earlier error" };
        self.pool.take().ok_or_else(why)
    }

    /// Queues the copies down, where the device has memory of its own.
    fn fetch(
        &mut self,
        layout: &BatchLayout,
        packed: Packed,
    ) -> Result<(Entered, Lease<Ready>, Payload), Error> {
        let run = self.run.clone();
        let (engine, generation) = (&run.engine, self.batch);
        let fetch = engine.order.begin(Stage::Fetch, generation)?;
        let Packed { payload, index } = packed;
        let index = match &engine.buffers.host_index {
            Some(buffer) => {
                let entered = engine.order.begin(Stage::Index, generation)?;
                let index = index.drain(&entered);
                let mut down = buffer.fill(&entered)?;
                let bytes = stage::index_bytes(&run.plan, layout);
                let job =
                    CopyJob { from: index.read(&entered, 0..bytes), to: down.write(&entered, 0..bytes) };
                run.device().copy(run.lane(Stage::Index), job)?;
                index.retire();
                entered.end()?;
                down.seal()
            }
            None => index,
        };
        let payload = match &engine.buffers.host_payload {
            Some(buffer) if run.plan.codec.is_none() => {
                let entered = engine.order.begin(Stage::Raw, generation)?;
                let payload = payload.drain(&entered);
                let mut down = buffer.fill(&entered)?;
                let bytes = stage::packed_bytes(&run.plan, layout, &mut self.tails) as usize;
                let from = payload.read(&entered, 0..bytes);
                let job = CopyJob { from, to: down.write(&entered, 0..bytes) };
                run.device().copy(run.lane(Stage::Raw), job)?;
                payload.retire();
                entered.end()?;
                Payload::Down(down.seal())
            }
            Some(_) => Payload::OnDevice(payload),
            None => Payload::Down(payload),
        };
        Ok((fetch, index, payload))
    }

    /// Takes the next pool slot; a begun epoch (number `epoch` of the old slot) moves over.
    pub(crate) fn refill(&mut self, begun: Option<(&Lease<Draining>, u32)>) -> Result<(), Error> {
        let run = self.run.clone();
        let (engine, generation) = (&run.engine, self.batch);
        let refill = engine.order.begin(Stage::Refill, generation)?;
        let zero = engine.order.begin(Stage::Zero, generation)?;
        let mut pool = engine.buffers.chunk_pool.fill(&zero)?;
        // Scattering never touches the padding: one fill for each slot is enough.
        let first_use = generation < u64::from(run.plan.slots);
        let room = 0..pool.len();
        if first_use && run.plan.scatter.padded {
            let to = pool.write(&zero, room.clone());
            stage::pad((run.device(), run.lane(Stage::Zero)), &run.plan, to)?;
        }
        zero.end()?;
        if let Some((old, epoch)) = begun {
            let carry = engine.order.begin(Stage::Carry, generation)?;
            let (from, to) = (old.read(&carry, 0..old.len()), pool.write(&carry, room));
            stage::carry((run.device(), run.lane(Stage::Carry)), &run.plan, epoch, &from, to)?;
            carry.end()?;
        }
        self.pool = Some(pool);
        refill.end()
    }
}

/// Views of what a step of the pyramid touches, in the slot of the pool and where levels are built.
fn views<'a>(
    plan: &plan::Plan,
    step: &Step,
    entered: &Entered,
    (pool, levels): (&'a mut Lease<Filling>, &'a mut Lease<Filling>),
) -> Views<'a> {
    let Touched { before, from, to } = stage::touched(plan, step);
    // What is not there is an empty view of the pool.
    let nothing = || At { in_pool: true, bytes: 0..0 };
    let (has_before, reads) =
        (before.is_some(), [before.unwrap_or_else(nothing), from.unwrap_or_else(nothing)]);
    let of = |in_pool: bool, at: &At| if at.in_pool == in_pool { at.bytes.clone() } else { 0..0 };
    let write = |in_pool: bool| (to.in_pool == in_pool).then(|| to.bytes.clone());
    let ([before_in_pool, from_in_pool], to_in_pool) =
        pool.parts(entered, [of(true, &reads[0]), of(true, &reads[1])], write(true));
    let ([before_in_levels, from_in_levels], to_in_levels) =
        levels.parts(entered, [of(false, &reads[0]), of(false, &reads[1])], write(false));
    let before = if reads[0].in_pool { before_in_pool } else { before_in_levels };
    let from = if reads[1].in_pool { from_in_pool } else { from_in_levels };
    let to = to_in_pool.or(to_in_levels).expect("it is in one of the two");
    Views { before: has_before.then_some(before), from, to }
}

/// The pool slot of a batch, before aggregate knows which of the two it reads.
enum Chunks {
    Read(Lease<Draining>),
    Unread(Lease<Ready>),
}
