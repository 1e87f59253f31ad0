//! What the plan counts for our own coder is what it takes, and no more than it may.

use forebay_cuda::coder::Coder;
use plan::{Blosc, BloscInner, Codec, Shuffle};

fn codecs() -> impl Iterator<Item = Codec> {
    let blosc = |inner, level, shuffle| Codec::Blosc(Blosc { inner, level, shuffle, block: None });
    let inners = [BloscInner::Lz4, BloscInner::Zstd].into_iter();
    let shuffles = [Shuffle::No, Shuffle::Byte, Shuffle::Bit];
    let kinds = inners.flat_map(move |inner| shuffles.map(|shuffle| (inner, shuffle)));
    let all = kinds.flat_map(move |(inner, shuffle)| [1, 5].map(|level| blosc(inner, level, shuffle)));
    all.chain([1, 3].map(|level| Codec::Zstd { level }))
}

#[test]
fn the_plan_counts_what_it_works_in() {
    let sizes = [1, 16, 100, 1024, 4096, 65_536, 100_002, 1 << 20, 8 << 20, (1 << 31) - 18];
    for (codec, chunk) in codecs().flat_map(|codec| sizes.map(|chunk| (codec, chunk))) {
        for element in [1, 2, 4, 8] {
            let needs = Coder::new(&codec, 1, chunk, element).unwrap().needs();
            for chunks in [1, 2, 7, 100, 4096, 1_000_000] {
                let coder = Coder::new(&codec, chunks, chunk, element).unwrap();
                let counted = (needs.fixed + chunks * needs.per_chunk).min(needs.most.unwrap());
                let takes = coder.workspace();
                let what = format!("{codec:?}, {chunks} chunks of {chunk} bytes: {takes} of {counted}");
                assert!(takes <= counted, "{what}");
                // Four times the batch; of small ones what a chunk takes, up to 16 MiB, in which one of these blocks has room.
                assert!(takes <= (4 * chunks * chunk).clamp(16 << 20, 1 << 30), "{what}");
                // And that it is not much less: parts of a chunk may be somewhat uneven.
                let most = (chunks * needs.per_chunk).min(1 << 30);
                assert!(chunk < 1 << 20 || takes >= most / 5 * 2, "{what}");
                assert!(coder.worst_case() <= codec.worst_case(chunk), "{what}");
            }
        }
    }
}

/// One chunk of 1 GiB goes through in parts, whatever the codec; a block of Blosc's does as a whole.
#[test]
fn a_large_chunk_has_no_workspace_of_its_own_size() {
    for codec in codecs() {
        let coder = Coder::new(&codec, 1, 1 << 30, 2).unwrap();
        assert!(coder.workspace() <= 1 << 30 && coder.needs().most == Some(1 << 30), "{codec:?}: {coder:?}");
        assert!(coder.clone().within(1, 0).workspace() < 4 << 20, "{codec:?}");
    }
    let blosc = Blosc { inner: BloscInner::Zstd, level: 5, shuffle: Shuffle::Byte, block: Some(1 << 30) };
    let coder = Coder::new(&Codec::Blosc(blosc), 1, 1 << 30, 2).unwrap();
    assert!((5 << 30..7 << 30).contains(&coder.workspace()), "{coder:?}");
    assert_eq!(coder.needs().fixed + coder.needs().per_chunk, coder.needs().most.unwrap());
    assert!(coder.workspace() <= coder.needs().most.unwrap());
}

#[test]
fn what_it_cannot_do_is_refused() {
    let refused = |codec, chunk, element| Coder::new(&codec, 1, chunk, element).unwrap_err().to_string();
    let zstd = Codec::Zstd { level: 1 };
    assert!(refused(zstd, (2 << 30) + 1, 2).contains("make them of 1 to 2147483648"));
    assert!(refused(Codec::None, 16, 2).contains("nothing to compress"));
    let blosc = Blosc { inner: BloscInner::Zstd, level: 1, shuffle: Shuffle::No, block: None };
    assert!(refused(Codec::Blosc(blosc), (2 << 30) - 16, 2).contains("make them of 1 to 2147483631"));
    assert!(refused(Codec::Blosc(blosc), 512, 256).contains("Blosc knows those of 1 to 255"));
}
