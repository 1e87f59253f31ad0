//! Lets a (made up) camera write its frames straight into the writer's memory, so that no copy of them is made.
//!
//! `cargo run --release -p forebay --example 03_reserve_in_place -- /tmp/waves.ome.zarr`

use forebay::{Array, DType, Dim, Options, Writer};

const SIDE: usize = 512;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "waves.ome.zarr".to_owned());
    let side = SIDE as u64;
    let array = Array::new(DType::U16, vec![Dim::unbounded("t"), Dim::new("y", side), Dim::new("x", side)]);
    let options = Options { overwrite: true, name: "waves".to_owned(), ..Options::default() };
    let mut writer = Writer::open(path.as_str(), &array, options)?;
    let frame = writer.plan().frame_bytes as usize;

    // A driver that fills whatever memory it is given: it is given the writer's.
    for t in 0..100 {
        let mut room = writer.reserve(frame)?;
        let filled = expose(t, &mut room);
        // A frame that never came is not committed: dropping the reservation takes nothing.
        if filled == frame {
            room.commit(filled)?;
        }
    }

    // A driver that wants its own memory, for ever the same: registered once, it is read where it lies. Two buffers,
    // so that one is filled while the other is read.
    let mut buffers = [writer.register(vec![0; frame])?, writer.register(vec![0; frame])?];
    for t in 100..200 {
        let buffer = &mut buffers[t % 2];
        // Waits until the writer has read what this buffer held before.
        let filled = expose(t, buffer.bytes_mut()?);
        writer.append_registered(buffer, filled)?;
    }

    let report = writer.close()?;
    println!("{path}: shape {:?}", report.shape);
    Ok(())
}

/// Fills `to` with a frame, as a driver would; bytes filled.
fn expose(t: usize, to: &mut [u8]) -> usize {
    for (i, pixel) in to.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let (y, x) = (i / SIDE, i % SIDE);
        *pixel = ((((x + t) / 8) ^ (y / 8)) as u16 * 100).to_le_bytes();
    }
    to.len()
}
