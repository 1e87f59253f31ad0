//! The emulator finds what it is there for: each kernel of `canaries.cu` keeps the rules, or breaks one of them.

use cuda::kernels::Launcher;
use forebay_cuda as cuda;

use crate::Bytes;
use crate::emulator::Shim;

/// Seeds that each flaw has to show itself in.
const SEEDS: u64 = 40;

#[repr(C)]
struct Params {
    out: u64,
    flaw: u64,
}

/// What a canary wrote, or what the emulator said of it.
fn run(
    kernel: &str,
    flaw: u64,
    seed: u64,
    (blocks, threads, shared): (u32, u32, u32),
) -> Result<Vec<u32>, String> {
    let out = Bytes::new(&vec![0; 4 * 10 * (blocks * threads) as usize]);
    let params = Params { out: out.write().address().addr() as u64, flaw };
    let launch = (threads, shared);
    // SAFETY: the kernel writes ten numbers for each thread at the most, and has ended when this returns.
    let ran =
        unsafe { Shim::seeded(seed).launch(kernel, (blocks, 1), launch, std::ptr::from_ref(&params).cast()) };
    ran.map_err(|e| e.to_string())?;
    Ok(out.get().as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

/// How many seeds show that something is wrong, and the last thing that was said.
fn reds(kernel: &str, flaw: u64, shape: (u32, u32, u32), right: impl Fn(&[u32]) -> bool) -> (u64, String) {
    let mut last = String::new();
    let red = (0..SEEDS).filter(|seed| match run(kernel, flaw, *seed, shape) {
        Ok(out) => !right(&out),
        Err(why) => {
            last = why;
            true
        }
    });
    (red.count() as u64, last)
}

fn turned(out: &[u32]) -> bool {
    (0..256).all(|i| out[i] == 255 - i as u32)
}

fn passed(out: &[u32]) -> bool {
    (0..64).all(|i| out[i] == (i as u32 & !31) + ((i as u32 + 1) & 31))
}

#[test]
fn rules_that_are_kept_give_the_same_in_every_order() {
    assert_eq!(reds("canary_turn", 0, (1, 256, 1024), turned).0, 0);
    assert_eq!(reds("canary_warp", 0, (1, 64, 256), passed).0, 0);
    assert_eq!(reds("canary_meet", 0, (1, 64, 0), |out| (0..64).all(|i| out[i] == i as u32)).0, 0);
    assert_eq!(reds("canary_blocks", 0, (9, 32, 0), |out| (0..9).all(|i| out[1 + i] == i as u32)).0, 0);
}

#[test]
fn a_missing_barrier_shows() {
    let (red, _) = reds("canary_turn", 1, (1, 256, 1024), turned);
    assert!(red == SEEDS, "in {red} of {SEEDS}");
    let (red, _) = reds("canary_warp", 1, (1, 64, 256), passed);
    assert!(red == SEEDS, "in {red} of {SEEDS}");
}

#[test]
fn what_nobody_wrote_differs() {
    let (red, _) = reds("canary_turn", 3, (1, 256, 1024), turned);
    assert!(red == SEEDS, "in {red} of {SEEDS}");
}

#[test]
fn an_order_of_blocks_shows() {
    let (red, _) = reds("canary_blocks", 1, (9, 32, 0), |out| (0..9).all(|i| out[1 + i] == i as u32));
    assert!(red > SEEDS / 2, "in {red} of {SEEDS}");
}

#[test]
fn whoever_breaks_a_rule_is_named() {
    let red = |kernel, flaw, shape, want: &str| {
        let (red, why) = reds(kernel, flaw, shape, |_| true);
        assert!(red == SEEDS && why.contains(want), "{kernel} {flaw}: in {red} of {SEEDS}, {why:?}");
    };
    red("canary_turn", 2, (1, 256, 1024), "wrote behind its 1024 bytes");
    red("canary_turn", 4, (1, 256, 1024), "threads of a block do not meet");
    red("canary_warp", 2, (1, 64, 256), "lanes of a mask do not meet");
    red("canary_warp", 3, (1, 64, 256), "reads from one that is not there");
    red("canary_warp", 4, (1, 64, 256), "it lacks the thread");
    red("canary_meet", 1, (1, 64, 0), "different barriers");
    red("canary_meet", 2, (1, 64, 0), "do not meet");
}

/// Each word of a warp is what CUDA's documentation says of it.
#[test]
fn words_of_a_warp() {
    for seed in 0..SEEDS {
        let out = run("canary_words", 0, seed, (1, 96, 0)).unwrap();
        let x: Vec<u32> = (0..96u32).map(|t| t.wrapping_mul(2_654_435_761) ^ 0x5bd1_e995).collect();
        for (t, got) in out.as_chunks::<10>().0.iter().enumerate() {
            let (warp, lane) = (&x[t / 32 * 32..][..32], t % 32);
            let of = |keep: &dyn Fn(u32) -> bool| (0..32).map(|i| u32::from(keep(warp[i])) << i).sum::<u32>();
            let half = (0..32).filter(|i| i % 2 == lane % 2).map(|i| warp[i]);
            let want = [
                warp[lane * 7 % 32],
                warp[if lane >= 3 { lane - 3 } else { lane }],
                warp[if lane + 5 < 32 { lane + 5 } else { lane }],
                warp[lane ^ 9],
                of(&|x| x & 4 != 0),
                of(&|x| x & 3 == warp[lane] & 3),
                warp.iter().fold(0, |sum, x| x.wrapping_add(sum)),
                if lane % 2 == 1 { half.max() } else { half.min() }.unwrap(),
                1,
                warp[31 - lane],
            ];
            assert_eq!(*got, want, "thread {t}, seed {seed}");
        }
    }
}
