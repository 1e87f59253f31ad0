//! Codecs of the GPU behind the seam: our own coder, and nvCOMP's zstd.

use std::sync::Arc;

use device::{Busy, EncodeJob, Encoder, Error, Lane, Operation};
use plan::Codec;

use crate::coder::Coder;
use crate::device::Core;
use crate::driver::DeviceMemory;
use crate::kernels::{self, EncodeParams};
use crate::nvcomp::{Batch, Nvcomp};

/// Addresses and sizes that nvCOMP reads and writes for each chunk: from, bytes, to, status.
const PER_CHUNK: usize = 8 + 8 + 8 + 8;

/// Who compresses on the GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CoderChoice {
    /// Our own kernels: zstd and Blosc, any chunk, no library. Level 1 takes runs and entropy, at the speed of the link whatever
    /// comes; every other level also looks for matches where a probe says that they pay; level 0 of Blosc stores.
    #[default]
    Own,
    /// nvCOMP, where it is installed: zstd, of no level.
    Nvcomp,
}

/// What a codec works in on the GPU, beside its buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workspace {
    /// Bytes for any batch,
    pub fixed: u64,
    /// and so many for each of its chunks,
    pub per_chunk: u64,
    /// up to so many in all.
    pub most: Option<u64>,
}

/// Our own coder.
struct Own {
    core: Arc<Core>,
    coder: Coder,
    chunk_bytes: u64,
    workspace: Arc<DeviceMemory>,
}

/// Zstd by nvCOMP.
pub(crate) struct Zstd {
    core: Arc<Core>,
    library: &'static Nvcomp,
    chunk_bytes: usize,
    worst_case: usize,
    most_chunks: usize,
    workspace: Arc<DeviceMemory>,
    lists: Arc<DeviceMemory>,
}

/// Whether there is such a codec here, for such chunks.
pub(crate) fn takes(
    codec: &Codec,
    (chunk_bytes, element): (usize, usize),
    by: CoderChoice,
) -> Result<(), Error> {
    match (codec, by) {
        (Codec::None, _) => Ok(()),
        (_, CoderChoice::Own) => Coder::new(codec, 1, chunk_bytes as u64, element as u64).map(drop),
        (Codec::Zstd { .. }, CoderChoice::Nvcomp) => check_chunk(chunk_bytes),
        (Codec::Blosc(_), CoderChoice::Nvcomp) => Err(lacks("Blosc")),
    }
}

/// What a codec works in there.
pub(crate) fn workspace(
    codec: &Codec,
    (chunk_bytes, element): (usize, usize),
    by: CoderChoice,
) -> Result<Workspace, Error> {
    /// The library's workspace grows evenly with the chunks of a batch.
    const MANY: usize = 4096;
    match (codec, by) {
        (Codec::None, _) => return Ok(Workspace::default()),
        (_, CoderChoice::Own) => {
            return Ok(Coder::new(codec, 1, chunk_bytes as u64, element as u64)?.needs());
        }
        (_, CoderChoice::Nvcomp) => takes(codec, (chunk_bytes, element), by)?,
    }
    let (one, many) = (nvcomp(codec, 1, chunk_bytes)?, nvcomp(codec, MANY, chunk_bytes)?);
    let per_chunk = many.saturating_sub(one).div_ceil(MANY as u64 - 1);
    Ok(Workspace { fixed: one.saturating_sub(per_chunk), per_chunk, most: None })
}

/// Bytes that nvCOMP works in, for batches of `chunks` chunks.
fn nvcomp(codec: &Codec, chunks: usize, chunk_bytes: usize) -> Result<u64, Error> {
    let library = Nvcomp::get()?;
    let (most, bound) = (library.most_output(chunk_bytes)?, codec.worst_case(chunk_bytes as u64));
    if most as u64 > bound {
        let why = format!(
            "nvCOMP may make {most} bytes of a chunk, and zstd's own bound is {bound}: run on the host"
        );
        return Err(Error::new(Operation::Prepare, why));
    }
    Ok((library.workspace(chunks, chunk_bytes)? + chunks * PER_CHUNK) as u64)
}

/// The library reads words.
fn check_chunk(chunk_bytes: usize) -> Result<(), Error> {
    if chunk_bytes.is_multiple_of(4) {
        return Ok(());
    }
    let why = format!(
        "zstd by nvCOMP takes chunks of a multiple of 4 bytes, and these have {chunk_bytes}: choose our own coder (`--coder \
         own`), another chunk, or the host"
    );
    Err(Error::new(Operation::Prepare, why))
}

fn lacks(codec: &str) -> Error {
    let why = format!("nvCOMP has no {codec} here: choose our own coder (`--coder own`), zstd, or the host");
    Error::new(Operation::Prepare, why)
}

impl Zstd {
    pub(crate) fn new(
        core: Arc<Core>,
        codec: &Codec,
        most_chunks: usize,
        chunk_bytes: usize,
    ) -> Result<Zstd, Error> {
        if !matches!(codec, Codec::Zstd { .. }) {
            return Err(lacks("such codec"));
        }
        check_chunk(chunk_bytes)?;
        let library = Nvcomp::get()?;
        let context = core.context();
        context.bind()?;
        let worst_case = library.most_output(chunk_bytes)?;
        let room = library.workspace(most_chunks, chunk_bytes)?;
        let workspace = Arc::new(DeviceMemory::new(context, room)?);
        let lists = Arc::new(DeviceMemory::new(context, most_chunks * PER_CHUNK)?);
        Ok(Zstd { core: core.clone(), library, chunk_bytes, worst_case, most_chunks, workspace, lists })
    }

    /// The library's lists, one behind the other.
    fn params(&self, job: &EncodeJob<'_>) -> EncodeParams {
        let list = |i: usize| self.lists.address + (8 * i * self.most_chunks) as u64;
        EncodeParams {
            chunks: u64::from(job.chunks),
            pool: job.pool.address().addr() as u64,
            chunk_bytes: self.chunk_bytes as u64,
            scratch: job.scratch.address().addr() as u64,
            slot_bytes: job.stride,
            from: list(0),
            from_bytes: list(1),
            to: list(2),
            sizes: job.sizes.address().addr() as u64,
            statuses: list(3),
            trouble: self.core.trouble(),
        }
    }

    fn check(&self, job: &EncodeJob<'_>) -> Result<(), Error> {
        let (chunks, stride) = (job.chunks as usize, job.stride as usize);
        let fits = chunks <= self.most_chunks
            && stride >= self.worst_case
            && job.pool.len() >= chunks * self.chunk_bytes
            && job.scratch.len() >= chunks * stride
            && job.sizes.len() >= 8 * chunks;
        if fits {
            return Ok(());
        }
        let why =
            format!("{chunks} chunks of at most {} bytes do not fit what was prepared", self.worst_case);
        Err(Error::new(Operation::Encode, why))
    }
}

impl Encoder for Zstd {
    fn worst_case(&self) -> usize {
        self.worst_case
    }

    fn encode(&self, on: Lane, job: EncodeJob<'_>) -> Result<(), Error> {
        self.check(&job)?;
        // The last batch of a run may be empty, which the library takes for a mistake.
        if job.chunks == 0 {
            return Ok(());
        }
        let (params, read) = (self.params(&job), u64::from(job.chunks) * self.chunk_bytes as u64);
        // SAFETY: whoever minted the views vouched for the order of this work too.
        let job = unsafe { job.detach() };
        let (library, chunk_bytes) = (self.library, self.chunk_bytes);
        let workspace = (self.workspace.address, self.workspace.len);
        let keep = (job, self.workspace.clone(), self.lists.clone());
        let busy = Busy { name: "compress", lane: on, count: 1, time: Default::default(), read, written: 0 };
        self.core.run(busy, keep, move |launcher, _| {
            // SAFETY: the job's views and the encoder's memory are kept until this has run, and the lane runs in order:
            // the lists of one batch are read before those of the next are written.
            unsafe { kernels::encode(launcher, "encode_addresses", &params)? };
            let batch = Batch {
                chunks: params.chunks as usize,
                chunk_bytes,
                from: params.from,
                from_bytes: params.from_bytes,
                workspace,
                to: params.to,
                sizes: params.sizes,
                statuses: params.statuses,
            };
            // SAFETY: as above.
            unsafe { library.compress(&batch, launcher.raw())? };
            // SAFETY: as above.
            unsafe { kernels::encode(launcher, "encode_check", &params) }
        })
    }
}

impl Encoder for Own {
    fn worst_case(&self) -> usize {
        self.coder.worst_case() as usize
    }

    fn encode(&self, on: Lane, job: EncodeJob<'_>) -> Result<(), Error> {
        let read = u64::from(job.chunks) * self.chunk_bytes;
        // SAFETY: whoever minted the views vouched for the order of this work too.
        let job = unsafe { job.detach() };
        let (coder, address) = (self.coder.clone(), self.workspace.address);
        let busy = Busy { name: "compress", lane: on, count: 1, time: Default::default(), read, written: 0 };
        self.core.run(busy, (job, self.workspace.clone()), move |launcher, (job, _)| {
            // SAFETY: the job's views and the encoder's memory are kept until this has run, and the lane runs in order: one
            // batch has left the workspace before the next enters it.
            unsafe { coder.encode(launcher, job, address) }
        })
    }
}

/// Prepares a codec.
pub(crate) fn prepare(
    core: &Arc<Core>,
    codec: &Codec,
    chunks: usize,
    (chunk_bytes, element): (usize, usize),
    by: CoderChoice,
) -> Result<Arc<dyn Encoder>, Error> {
    if by == CoderChoice::Own {
        let coder = Coder::new(codec, chunks as u64, chunk_bytes as u64, element as u64)?;
        let workspace = Arc::new(DeviceMemory::new(core.context(), coder.workspace() as usize)?);
        return Ok(Arc::new(Own { core: core.clone(), coder, chunk_bytes: chunk_bytes as u64, workspace }));
    }
    Ok(Arc::new(Zstd::new(core.clone(), codec, chunks, chunk_bytes)?))
}
