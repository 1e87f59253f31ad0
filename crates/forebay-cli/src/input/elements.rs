//! Bytes of whole elements from a reader, turned to little-endian on the way.

use std::io::{self, Read};

/// Byte order of the elements in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Order {
    /// That of this machine.
    pub(crate) const NATIVE: Order = if cfg!(target_endian = "big") { Order::Big } else { Order::Little };
}

/// Turns elements of `size` bytes to little-endian in place; `bytes` holds whole elements.
pub(crate) fn to_little(bytes: &mut [u8], size: usize, order: Order) {
    if order == Order::Little || size == 1 {
        return;
    }
    for element in bytes.chunks_exact_mut(size) {
        element.reverse();
    }
}

/// Most bytes that are turned at a time, a whole number of elements of each size.
const TURN: usize = 64 * 1024;

/// Reads a known number of bytes and gives them little-endian, in portions of any size.
#[derive(Debug)]
pub(crate) struct Elements<R> {
    reader: R,
    size: usize,
    order: Order,
    left: u64,
    turned: Vec<u8>,
    given: usize,
}

impl<R: Read> Elements<R> {
    /// `left` bytes of elements of `size` bytes follow in the reader.
    pub(crate) fn new(reader: R, size: usize, order: Order, left: u64) -> Elements<R> {
        let order = if size == 1 { Order::Little } else { order };
        Elements { reader, size, order, left, turned: Vec::new(), given: 0 }
    }

    /// Next bytes; `Ok(0)` after the last.
    ///
    /// # Errors
    /// The reader failed, or ended early (`UnexpectedEof`).
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.order == Order::Little { self.pass(buf) } else { self.turn(buf) }
    }

    fn pass(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = least(buf.len(), self.left);
        self.reader.read_exact(&mut buf[..want])?;
        self.left -= want as u64;
        Ok(want)
    }

    fn turn(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.given == self.turned.len() {
            self.turned.resize(least(TURN, self.left), 0);
            self.reader.read_exact(&mut self.turned)?;
            to_little(&mut self.turned, self.size, self.order);
            self.left -= self.turned.len() as u64;
            self.given = 0;
        }
        let ready = &self.turned[self.given..];
        let n = buf.len().min(ready.len());
        buf[..n].copy_from_slice(&ready[..n]);
        self.given += n;
        Ok(n)
    }
}

fn least(a: usize, b: u64) -> usize {
    usize::try_from(b).map_or(a, |b| a.min(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in(step: usize, bytes: &[u8], size: usize, order: Order) -> Vec<u8> {
        let mut elements = Elements::new(bytes, size, order, bytes.len() as u64);
        let (mut all, mut buf) = (Vec::new(), vec![0; step]);
        loop {
            match elements.read(&mut buf).unwrap() {
                0 => return all,
                n => all.extend_from_slice(&buf[..n]),
            }
        }
    }

    #[test]
    fn big_endian_is_turned_whatever_the_portions() {
        let bytes: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        let mut want = bytes.clone();
        to_little(&mut want, 8, Order::Big);
        for step in [1, 3, 4096, 70_001, 300_000] {
            assert_eq!(read_in(step, &bytes, 8, Order::Little), bytes);
            assert_eq!(read_in(step, &bytes, 8, Order::Big), want, "in steps of {step}");
        }
    }

    #[test]
    fn an_early_end_is_told() {
        let mut elements = Elements::new(&[1u8, 2, 3][..], 2, Order::Big, 4);
        assert_eq!(elements.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
