//! Every reachable state.

use plan::{Memory, Mode};
use sim::Explorer;

use crate::flawed::Wrong;
use crate::run::Scenario;

#[test]
#[allow(clippy::disallowed_methods)]
fn proto() {
    let only: Option<usize> = std::env::var("ONLY").ok().and_then(|n| n.parse().ok());
    let per_shard: u64 = std::env::var("PER").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let secs: u64 = std::env::var("SECS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let reduces = std::env::var("FULL").is_err();
    let mut n = 0;
    for mode in [Mode::DrainAfterKick, Mode::DrainBeforeKick, Mode::Pipelined] {
        for memory in [Memory::Host, Memory::Device] {
            for (compressed, alignment) in [(false, 0), (true, 0), (false, 16), (true, 16)] {
                n += 1;
                if only.is_some_and(|o| o != n - 1) { continue; }
                let scenario = Scenario { mode, slots: 2, memory, compressed, alignment };
                let script = scenario.smallest(per_shard);
                let want = script.want();
                let explorer = Explorer::new(reduces, 1000);
                let start = std::time::Instant::now();
                let mut whole = true;
                while let Some(chooser) = explorer.next() {
                    let ran = script.run_with(chooser, Wrong::default(), None);
                    assert_eq!(ran.outcome.verdict, None, "{}", ran.outcome.choices);
                    if !ran.outcome.stopped {
                        assert!(ran.stored.as_ref() == Ok(&want), "{:?}", ran.stored);
                    }
                    if start.elapsed().as_secs() > secs { whole = false; break; }
                }
                println!("{} {scenario}: {} whole {whole} {:.1} s, broken {:?}", n - 1, explorer.counts(), start.elapsed().as_secs_f64(), explorer.broken());
                for k in 0..explorer.kept().min(30) {
                    if !whole { break; }
                    let ran = script.run_with(explorer.walk(Some(k), k as u64), Wrong::default(), None);
                    assert_eq!(ran.outcome.verdict, None);
                }
                for k in 0..100 {
                    if !whole { break; }
                    let ran = script.run_with(explorer.walk(None, k as u64), Wrong::default(), None);
                    assert_eq!(ran.outcome.verdict, None);
                }
                println!("   kept {} walks broken {:?}", explorer.kept(), explorer.broken());
            }
        }
    }
}
