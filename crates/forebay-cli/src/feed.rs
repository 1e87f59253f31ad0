//! Reads the input ahead on a thread of its own.
//!
//! Decoding goes on while the writer takes what came before, and a standard input that says nothing for an hour
//! does not keep Ctrl-C waiting: the thread that is blocked on it is not the one that closes the store.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use crate::Failure;
use crate::input::{InputError, Source};

/// Bytes of one block.
const BLOCK: usize = 4 << 20;
/// Blocks in circulation: one is read, one waits, one is appended.
pub(crate) const BLOCKS: usize = 3;

/// Some bytes of the input.
pub(crate) struct Block {
    buffer: Vec<u8>,
    len: usize,
}

impl Block {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

/// What came of waiting.
pub(crate) enum Next {
    /// Bytes; to be returned with [`Feed::give_back`].
    Bytes(Block),
    /// Nothing yet.
    Nothing,
    /// The input is over.
    End,
    /// The input cannot be read further.
    Broken(InputError),
}

/// An input that is read ahead.
pub(crate) struct Feed {
    full: Receiver<Result<Block, InputError>>,
    empty: Sender<Vec<u8>>,
}

impl Feed {
    /// Starts to read.
    pub(crate) fn start(source: Box<dyn Source>) -> Result<Feed, Failure> {
        let (send_full, full) = sync_channel(BLOCKS);
        let (empty, take_empty) = channel();
        for _ in 0..BLOCKS {
            // The receiver is two lines above.
            let _ = empty.send(vec![0; BLOCK]);
        }
        std::thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || read(source, &take_empty, &send_full))
            .map_err(|e| Failure::Run(format!("cannot start a thread that reads the input: {e}")))?;
        Ok(Feed { full, empty })
    }

    /// The next block, if it comes within `patience`.
    pub(crate) fn next(&self, patience: Duration) -> Next {
        match self.full.recv_timeout(patience) {
            Ok(Ok(block)) => Next::Bytes(block),
            Ok(Err(error)) => Next::Broken(error),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }

    /// Returns a block, to be filled again.
    pub(crate) fn give_back(&self, block: Block) {
        // At the end of the input nobody takes it, and it is freed.
        let _ = self.empty.send(block.buffer);
    }
}

/// Ends, and so says that the input is over, when the source does or when nobody listens any more.
fn read(
    mut source: Box<dyn Source>,
    empty: &Receiver<Vec<u8>>,
    full: &SyncSender<Result<Block, InputError>>,
) {
    while let Ok(mut buffer) = empty.recv() {
        let read = source.read(&mut buffer);
        if matches!(read, Ok(0)) {
            return;
        }
        let broken = read.is_err();
        if full.send(read.map(|len| Block { buffer, len })).is_err() || broken {
            return;
        }
    }
}
