//! CPU codecs behind the seam: a batch is encoded chunk by chunk, in parallel, with contexts that are kept.

use std::sync::Mutex;

use device::sync::Arc;
use device::{EncodeJob, Encoder, Error, Lane, Operation};
use rayon::prelude::*;

use crate::codec::{Context, Prepared};
use crate::device::Core;

pub(crate) struct HostEncoder {
    core: Arc<Core>,
    work: Arc<Work>,
}

struct Work {
    prepared: Prepared,
    chunk_bytes: usize,
    worst_case: usize,
    /// One context for each thread of the device; a thread takes its own, so the locks are never contended,
    /// and they are the system's own: threads of a pool are no threads of the orchestration.
    contexts: Vec<Mutex<Context>>,
}

impl HostEncoder {
    pub(crate) fn new(
        core: Arc<Core>,
        codec: &plan::Codec,
        chunk: usize,
        element: usize,
    ) -> Result<Self, Error> {
        let refuse = |e: crate::codec::Error| Error::new(Operation::Prepare, e);
        let prepared = Prepared::new(codec, chunk, element).map_err(refuse)?;
        let contexts = (0..core.threads()).map(|_| Mutex::new(prepared.context())).collect();
        let worst_case = codec.worst_case(chunk as u64) as usize;
        Ok(HostEncoder { core, work: Arc::new(Work { prepared, chunk_bytes: chunk, worst_case, contexts }) })
    }
}

impl Encoder for HostEncoder {
    fn worst_case(&self) -> usize {
        self.work.worst_case
    }

    fn encode(&self, on: Lane, job: EncodeJob<'_>) -> Result<(), Error> {
        // SAFETY: whoever minted the views vouched for the order of this work too.
        let job = unsafe { job.detach() };
        let EncodeJob { chunks, pool, mut scratch, stride, mut sizes } = job;
        let work = self.work.clone();
        let bytes = u64::from(chunks) * work.chunk_bytes as u64;
        self.core.run_codec(on, bytes, move || {
            work.run((chunks as usize, stride as usize), pool.bytes()?, scratch.bytes()?, sizes.bytes()?)
        })
    }
}

impl Work {
    fn run(
        &self,
        (chunks, stride): (usize, usize),
        pool: &[u8],
        scratch: &mut [u8],
        sizes: &mut [u8],
    ) -> Result<u64, Error> {
        let pool = pool[..chunks * self.chunk_bytes].par_chunks(self.chunk_bytes);
        let slots = scratch[..chunks * stride].par_chunks_mut(stride);
        let sizes = sizes[..chunks * 8].par_chunks_mut(8);
        let encoded = pool.zip(slots).zip(sizes).with_max_len(1).map(|((chunk, slot), size)| {
            let thread = rayon::current_thread_index().unwrap_or(0) % self.contexts.len();
            let mut context = self.contexts[thread].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let encoded = self.prepared.encode(&mut context, chunk, slot);
            let len = encoded.map_err(|e| Error::new(Operation::Encode, e))?;
            size.copy_from_slice(&(len as u64).to_le_bytes());
            Ok(len as u64)
        });
        encoded.try_reduce(|| 0, |a, b| Ok(a + b))
    }
}
