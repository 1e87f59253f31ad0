//! Scatter against its definition, element by element, for any geometry and any part of some epochs.

use forebay_host::kernels::{Elements, scatter};
use plan::{Codec, Config, DType, Dim, Facts, Memory, Plan, Scatter, Tuning};
use proptest::prelude::*;

/// Some epochs: the geometry of one, and where they are cut into parts.
#[derive(Clone, Debug)]
struct Case {
    geometry: Scatter,
    cuts: Vec<u64>,
}

fn geometry(dtype: DType, sizes: &[(u64, u64)], order: &[usize]) -> Scatter {
    let name = |d: usize| format!("d{d}");
    let dims = sizes.iter().enumerate().map(|(d, &(size, chunk))| Dim::new(name(d), size).chunk(chunk));
    let order = Some(order.iter().map(|&d| name(d)).collect());
    let config = Config { order, plain: true, codec: Codec::None, ..Config::new(dtype, dims.collect()) };
    let facts = Facts {
        memory: Memory::Host,
        alignment: 0,
        gate: false,
        process: 0,
        own: plan::OwnMemory::default(),
    };
    Plan::new(&config, &Tuning::default(), facts).unwrap().scatter
}

/// Extent and chunk: often short, sometimes longer than the rows that a kernel may take together.
fn dim() -> impl Strategy<Value = (u64, u64)> {
    let size = prop_oneof![4 => 1..6u64, 2 => 6..40u64, 1 => 60..300u64];
    size.prop_flat_map(|size| (Just(size), prop_oneof![Just(1), Just(size), 1..=size]))
}

/// Epochs of a case.
const EPOCHS: u64 = 3;

fn cases() -> impl Strategy<Value = Case> {
    let small = |dims: &Vec<(u64, u64)>| dims.iter().map(|d| d.0).product::<u64>() <= 1 << 14;
    let dims = prop::collection::vec(dim(), 1..6).prop_filter("too large to check each element", small);
    let moved = dims.prop_flat_map(|dims| {
        let inner: Vec<usize> = (1..dims.len()).collect();
        let dtype = prop::sample::select(vec![DType::U8, DType::U16, DType::F32, DType::I64]);
        (dtype, Just(dims), Just(inner.clone()), Just(inner).prop_shuffle(), any::<bool>())
    });
    let geometries = moved.prop_map(|(dtype, dims, kept, shuffled, moved)| {
        let order: Vec<usize> = std::iter::once(0).chain(if moved { shuffled } else { kept }).collect();
        geometry(dtype, &dims, &order)
    });
    geometries.prop_flat_map(|geometry| {
        let end = EPOCHS * geometry.epoch_elements;
        (Just(geometry), prop::collection::vec(0..=end, 0..5)).prop_map(move |(geometry, mut cuts)| {
            cuts.extend([0, end]);
            cuts.sort_unstable();
            Case { geometry, cuts }
        })
    })
}

/// Bytes of element `i`, none of them what the pool holds before.
fn element(i: u64) -> [u8; 8] {
    (i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_le_bytes().map(|b| b.max(1))
}

const FILL: [u8; 8] = [8, 7, 6, 5, 4, 3, 2, 1];

/// Scatters the parts one after another, every third with the fill value, and looks at the whole pool each time: what
/// is not of a part is not touched by it.
fn check(case: &Case) {
    let g = &case.geometry;
    let size = g.element;
    let mut pool = vec![0; g.pool_elements(*case.cuts.last().unwrap()) as usize * size];
    let mut want = pool.clone();
    for (part, ends) in case.cuts.windows(2).enumerate() {
        let filled = part % 3 == 2;
        let value = |i| if filled { FILL } else { element(i) };
        let bytes: Vec<u8> = (ends[0]..ends[1]).flat_map(|i| element(i).into_iter().take(size)).collect();
        let source = if filled { Elements::Fill(FILL) } else { Elements::Bytes(&bytes) };
        scatter(g, ends[0], ends[1] - ends[0], source, &mut pool);
        for i in ends[0]..ends[1] {
            want[g.position(i) as usize * size..][..size].copy_from_slice(&value(i)[..size]);
        }
        assert!(pool == want, "elements {} to {} of {g:?}", ends[0], ends[1]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_element_has_its_place(case in cases()) {
        check(&case);
    }
}

/// Larger than one task, with rows that tasks cut: channels stored apart, moved to the front, in pairs; transposed.
#[test]
fn tasks_share_an_epoch() {
    let tall = [(2, 2), (3, 2), (301, 64), (130, 50), (3, 1)];
    for (dims, order) in [
        (&tall[..], &[0, 1, 2, 3, 4][..]),
        (&tall, &[0, 4, 1, 2, 3]),
        (&[(2, 1), (401, 400), (200, 128), (4, 2)], &[0, 1, 2, 3]),
        (&[(1, 1), (700, 256), (650, 129)], &[0, 2, 1]),
    ] {
        let geometry = geometry(DType::U16, dims, order);
        let end = geometry.epoch_elements;
        check(&Case { geometry, cuts: vec![0, 4, end - 100, end] });
    }
}
