//! Chunk and shard shapes where the user left them out.

use crate::{Dim, Kind};

/// Bytes that a chosen chunk comes close to: small enough to fetch alone, large enough to compress well.
const CHUNK_BYTES: u64 = 1 << 20;
/// Elements of a chosen chunk along an axis of space in the plane of an image.
const PLANE: u64 = 512;
/// Bytes (before compression) that a chosen shard comes close to.
const SHARD_BYTES: u64 = 256 << 20;

/// Fills in `chunk` and `chunks_per_shard` where they are `None`.
pub(crate) fn choose(dims: &[Dim], element: u64) -> Vec<Dim> {
    let mut dims = dims.to_vec();
    choose_chunks(&mut dims, element);
    choose_shards(&mut dims, element);
    dims
}

/// The image plane first, then depth, then time, by powers of two.
fn choose_chunks(dims: &mut [Dim], element: u64) {
    let open: Vec<usize> = (0..dims.len()).filter(|&d| dims[d].chunk.is_none()).collect();
    let rank = dims.len();
    for &d in &open {
        let in_plane = d + 2 >= rank && dims[d].axis_kind() == Kind::Space || rank == 1;
        let most = if rank == 1 { CHUNK_BYTES / element } else { PLANE };
        dims[d].chunk = Some(if in_plane { dims[d].size.unwrap_or(most).clamp(1, most) } else { 1 });
    }
    let bytes = |dims: &[Dim]| dims.iter().fold(element, |b, d| b.saturating_mul(d.chunk.unwrap_or(1)));
    let grows = |dims: &[Dim], d: usize, kind| d + 2 < rank && dims[d].axis_kind() == kind;
    for kind in [Kind::Space, Kind::Time, Kind::Other] {
        let growing: Vec<_> = open.iter().copied().rev().filter(|&d| grows(dims, d, kind)).collect();
        for d in growing {
            let mut chunk = 1u64;
            while chunk.saturating_mul(2) <= dims[d].size.unwrap_or(u64::MAX)
                && bytes(dims).saturating_mul(2) <= CHUNK_BYTES
            {
                chunk *= 2;
                dims[d].chunk = Some(chunk);
            }
        }
    }
}

/// From the inside out: whole extents until the shard is large enough.
fn choose_shards(dims: &mut [Dim], element: u64) {
    let chunk = |d: &Dim| d.chunk.unwrap_or(1).max(1);
    let mut bytes = dims.iter().fold(element, |b, d| b.saturating_mul(chunk(d)));
    for d in dims.iter() {
        bytes = bytes.saturating_mul(d.chunks_per_shard.unwrap_or(1).max(1));
    }
    for d in (0..dims.len()).rev() {
        if dims[d].chunks_per_shard.is_some() {
            continue;
        }
        let room = (SHARD_BYTES / bytes.max(1)).max(1);
        let grid = dims[d].size.map_or(u64::MAX, |s| s.div_ceil(chunk(&dims[d])).max(1));
        let chunks = room.min(grid);
        dims[d].chunks_per_shard = Some(chunks);
        bytes = bytes.saturating_mul(chunks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(dims: &[Dim], element: u64) -> (Vec<u64>, Vec<u64>) {
        let dims = choose(dims, element);
        (
            dims.iter().map(|d| d.chunk.unwrap()).collect(),
            dims.iter().map(|d| d.chunks_per_shard.unwrap()).collect(),
        )
    }

    #[test]
    fn chunks_come_close_to_a_mebibyte_and_shards_to_a_quarter_gibibyte() {
        let camera = [Dim::unbounded("t"), Dim::new("y", 2048), Dim::new("x", 2048)];
        assert_eq!(chosen(&camera, 2), (vec![2, 512, 512], vec![16, 4, 4]));
        let stack =
            [Dim::new("t", 9), Dim::new("c", 2), Dim::new("z", 40), Dim::new("y", 64), Dim::new("x", 64)];
        assert_eq!(chosen(&stack, 2).0, vec![4, 1, 32, 64, 64]);
        assert_eq!(chosen(&[Dim::unbounded("t")], 4).0, vec![1 << 18]);
    }

    #[test]
    fn what_was_given_stays() {
        let camera =
            [Dim::unbounded("t").chunk(3), Dim::new("y", 100).chunks_per_shard(7), Dim::new("x", 10)];
        assert_eq!(chosen(&camera, 2).0, vec![3, 100, 10]);
        assert_eq!(chosen(&camera, 2).1[1], 7);
    }
}
