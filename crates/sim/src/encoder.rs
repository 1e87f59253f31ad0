//! The host's codecs, as kernels of one step.

use device::sync::{Arc, Mutex};
use device::{EncodeJob, Encoder, Error, Lane, Operation};
use host::codec::{Context, Prepared};

use crate::deeds::{known, uses};
use crate::device::Inside;

pub(crate) struct SimEncoder {
    inside: Arc<Inside>,
    work: Arc<(Prepared, Mutex<Context>, usize)>,
}

impl SimEncoder {
    pub(crate) fn new(
        inside: Arc<Inside>,
        codec: &plan::Codec,
        chunk: usize,
        element: usize,
    ) -> Result<SimEncoder, Error> {
        let prepared = Prepared::new(codec, chunk, element).map_err(|e| Error::new(Operation::Prepare, e))?;
        let context = Mutex::new(prepared.context());
        Ok(SimEncoder { inside, work: Arc::new((prepared, context, chunk)) })
    }
}

impl Encoder for SimEncoder {
    fn worst_case(&self) -> usize {
        self.work.0.worst_case()
    }

    fn encode(&self, on: Lane, job: EncodeJob<'_>) -> Result<(), Error> {
        let touches: Vec<_> = job.touches().into_iter().flatten().collect();
        // Of the slots all counts as written, so what is read past an encoded chunk shows by its bytes only.
        let deeds = known(touches.iter().map(|touch| uses(Some(touch.clone()))));
        // SAFETY: whoever minted the views vouched for the order of this work too; that is what is checked here.
        let job = unsafe { job.detach() };
        let EncodeJob { chunks, pool, mut scratch, stride, mut sizes } = job;
        let work = self.work.clone();
        let kernel = move || {
            let (prepared, context, chunk) = &*work;
            let worst = prepared.worst_case();
            let mut context = context.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let (pool, scratch) = (pool.bytes()?, scratch.bytes()?);
            for (i, size) in sizes.bytes()?.as_chunks_mut::<8>().0[..chunks as usize].iter_mut().enumerate() {
                let (from, to) = (&pool[i * chunk..][..*chunk], &mut scratch[i * stride as usize..][..worst]);
                let encoded = prepared.encode(&mut context, from, to);
                *size = (encoded.map_err(|e| Error::new(Operation::Encode, e))? as u64).to_le_bytes();
            }
            Ok(())
        };
        self.inside.run(on, (touches, deeds), Box::new(kernel))
    }
}
