//! What each kernel of our own coder takes of a GPU while the link brings bytes as fast as it can, beside what the GPU can do
//! at most: move bytes, and issue instructions.

use forebay::limits::Kernels;
use serde_json::{Value, json};

/// Bytes a second that a link of PCI Express 5 brings.
const FEED: f64 = 50e9;

/// A kernel, for bytes that come at [`FEED`].
#[derive(Debug, PartialEq)]
pub(crate) struct Share {
    name: String,
    /// Part of the GPU's time.
    of_gpu: f64,
    /// Times the least that memory takes to bring the input once and take the output once.
    of_bytes: f64,
    /// Instructions, each for a lane, that the GPU could have issued meanwhile for each byte of the input.
    instructions: f64,
}

/// The shares of all kernels, and their sum, for input that shrinks to a `ratio`th.
pub(crate) fn shares(kernels: &Kernels, ratio: f64) -> Vec<Share> {
    let input = kernels.input as f64;
    let least = input * (1.0 + 1.0 / ratio) / kernels.ceilings.bytes;
    let share = |name: &str, seconds: f64| Share {
        name: name.to_owned(),
        of_gpu: seconds * FEED / input,
        of_bytes: seconds / least,
        instructions: seconds * kernels.ceilings.instructions / input,
    };
    let each = kernels.times.iter().map(|(name, time)| (name.as_str(), time.as_secs_f64()));
    let all = each.clone().map(|(_, seconds)| seconds).sum();
    each.chain([("all", all)]).map(|(name, seconds)| share(name, seconds)).collect()
}

/// A table for people.
pub(crate) fn rows(shares: &[Share]) -> Vec<Vec<String>> {
    let head = [
        "kernel of the coder",
        "of the GPU at 50 GB/s",
        "times its bytes alone",
        "instructions a byte that fit",
    ];
    let row = |s: &Share| {
        let numbers = [
            format!("{:.1} %", 100.0 * s.of_gpu),
            format!("{:.1}", s.of_bytes),
            format!("{:.1}", s.instructions),
        ];
        [s.name.clone()].into_iter().chain(numbers).collect()
    };
    [head.map(str::to_owned).to_vec()].into_iter().chain(shares.iter().map(row)).collect()
}

/// The same as a list.
pub(crate) fn json(shares: &[Share]) -> Value {
    let one = |s: &Share| {
        json!({
            "kernel": s.name, "of_gpu": s.of_gpu, "of_bytes": s.of_bytes, "instructions_per_byte": s.instructions,
        })
    };
    json!({ "at_bytes_per_second": FEED, "kernels": shares.iter().map(one).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use forebay::limits::Ceilings;

    use super::*;

    #[test]
    fn shares_are_those_of_the_time_at_the_feed() {
        // At 50 GB/s 500 MB come in 10 ms; at 5000 GB/s they and their half, that goes, take 0.15 ms.
        let kernels = Kernels {
            input: 500_000_000,
            times: vec![
                ("one".to_owned(), Duration::from_millis(1)),
                ("two".to_owned(), Duration::from_millis(2)),
            ],
            ceilings: Ceilings { bytes: 5e12, instructions: 25e12 },
        };
        let got = shares(&kernels, 2.0);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9 * b;
        let want = [
            ("one", 0.1, 1.0 / 0.15, 50.0),
            ("two", 0.2, 2.0 / 0.15, 100.0),
            ("all", 0.3, 3.0 / 0.15, 150.0),
        ];
        for (share, (name, gpu, bytes, instructions)) in got.iter().zip(want) {
            assert_eq!(share.name, name);
            assert!(near(share.of_gpu, gpu) && near(share.of_bytes, bytes), "{share:?}");
            assert!(near(share.instructions, instructions), "{share:?}");
        }
        assert_eq!(got.len(), 3);
        assert_eq!(rows(&got)[1], ["one", "10.0 %", "6.7", "50.0"]);
        assert_eq!(json(&got)["kernels"][2]["kernel"], "all");
    }
}
