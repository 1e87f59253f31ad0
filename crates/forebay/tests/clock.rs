//! What is written by the clock, without another append, and how soon.
//!
//! A program of its own, of one test: what other tests do beside it would be in the time. A machine that is busy otherwise may
//! hold it up; a writer that is late is late each time. So the soonest of a few rounds counts.

mod common;
mod desk;

use std::time::Duration;

use common::{Case, noise};
use desk::{FRAME, array, memory, published, until, written};
use forebay::{Array, Codec, Options, Writer};

const ROUNDS: usize = 5;
const MARGIN: Duration = Duration::from_secs(1);

#[test]
fn a_slow_camera_loses_nothing_and_what_is_finished_is_published_within_a_second() {
    soonest("a layer of frames", Duration::from_millis(300), layer_then_shard);
    soonest("a layer of small appends", Duration::from_millis(100), layer_of_small_appends);
}

/// Rounds until one is less late than a second.
fn soonest(what: &str, interval: Duration, mut round: impl FnMut(Duration) -> Duration) {
    let mut late = Vec::new();
    for _ in 0..ROUNDS {
        let took = round(interval);
        if took < interval + MARGIN {
            return;
        }
        late.push(took);
    }
    panic!("{what}: published after {late:?}, each {interval:?}");
}

fn options(publish_interval: Duration) -> Options {
    Options { publish_interval, ..Options::default() }
}

/// The longer of what the layer took and the shard.
fn layer_then_shard(interval: Duration) -> Duration {
    let store = memory();
    let mut writer = Writer::open(store.clone(), &array(), options(interval)).unwrap();
    // One layer of chunks and a half: a full batch would hold much more.
    writer.append(&noise(3 * FRAME)).unwrap();
    let layer = until("the layer", || written(&store) > 0);
    assert_eq!(published(&store), 0, "the shard is not finished");
    // The rest of the shard, and the begun layer is not lost.
    writer.append(&noise(6 * FRAME)[3 * FRAME..5 * FRAME]).unwrap();
    let shard = until("the shard", || published(&store) == 4);
    writer.append(&noise(6 * FRAME)[5 * FRAME..]).unwrap();
    writer.close().unwrap();
    assert_eq!(Case::new(array()).read(&store), noise(6 * FRAME));
    layer.max(shard)
}

/// Of pieces so small that they are gathered.
fn layer_of_small_appends(interval: Duration) -> Duration {
    let store = memory();
    let array = Array { codec: Codec::None, ..array() };
    let mut writer = Writer::open(store.clone(), &array, options(interval)).unwrap();
    noise(2 * FRAME).chunks(100).for_each(|piece| writer.append(piece).unwrap());
    until("the layer", || written(&store) > 0)
}
