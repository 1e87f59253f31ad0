//! The engine: a device with all buffers of a run, allocated at open and never after.

use device::Encoder;
use device::sync::Arc;
use plan::{Memory, Plan};

use crate::Error;
use crate::lease::Pool;
use crate::order::Order;
use crate::table::{Buffer, Case};

/// Buffers of a run. Those that exist only where memory is the device's own are optional.
pub(crate) struct Buffers {
    pub(crate) staging: Pool,
    pub(crate) device_staging: Option<Pool>,
    pub(crate) chunk_pool: Pool,
    pub(crate) pyramid: Option<Pool>,
    pub(crate) scratch: Option<Pool>,
    pub(crate) host_tables: Pool,
    pub(crate) tables: Pool,
    pub(crate) packed: Pool,
    pub(crate) packed_index: Pool,
    pub(crate) host_index: Option<Pool>,
    pub(crate) host_payload: Option<Pool>,
    pub(crate) footers: Pool,
    pub(crate) tail: Option<Pool>,
    pub(crate) host_tail: Option<Pool>,
}

impl Buffers {
    /// What is left of pages of all shards, where the host keeps it.
    pub(crate) fn kept_tails(&self) -> Option<&Pool> {
        self.host_tail.as_ref().or(self.tail.as_ref())
    }
}

/// A device, the order of its work, and its buffers.
pub struct Engine {
    pub(crate) order: Arc<Order>,
    pub(crate) buffers: Buffers,
    pub(crate) encoder: Option<Arc<dyn Encoder>>,
}

impl Engine {
    /// Allocates everything that the plan says, and prepares its codec.
    ///
    /// # Errors
    /// The device has not the memory or the codec.
    pub fn open(device: Arc<dyn device::Device>, plan: &Plan) -> Result<Engine, Error> {
        let case = Case::of(plan);
        let pool = |buffer: Buffer| Pool::new(&*device, buffer, case, plan.budget.bytes_of(buffer.name()));
        let own = plan.facts.memory == Memory::Device;
        let when = |live: bool, buffer| if live { pool(buffer).map(Some) } else { Ok(None) };
        let compressed = !plan.codec.is_none();
        let buffers = Buffers {
            staging: pool(Buffer::Staging)?,
            device_staging: when(own, Buffer::DeviceStaging)?,
            chunk_pool: pool(Buffer::ChunkPool)?,
            pyramid: when(case.pyramid, Buffer::Pyramid)?,
            scratch: when(compressed, Buffer::Scratch)?,
            host_tables: pool(Buffer::HostTables)?,
            tables: pool(Buffer::Tables)?,
            packed: pool(Buffer::Packed)?,
            packed_index: pool(Buffer::PackedIndex)?,
            host_index: when(own, Buffer::HostIndex)?,
            host_payload: when(own, Buffer::HostPayload)?,
            footers: pool(Buffer::Footers)?,
            tail: when(plan.is_aligned(), Buffer::Tail)?,
            host_tail: when(own && plan.is_aligned(), Buffer::HostTail)?,
        };
        let encoder = match compressed {
            true => Some(device.prepare(
                &plan.codec,
                plan.pool_chunks(),
                plan.chunk_bytes as usize,
                plan.dtype.size(),
            )?),
            false => None,
        };
        Ok(Engine { order: Arc::new(Order::new(device, case)?), buffers, encoder })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Lanes may still read buffers; a failed device has nothing more to say here.
        let _ = self.order.device().synchronize();
    }
}
