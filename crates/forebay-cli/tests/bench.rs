//! `forebay bench`, run as users run it, on scenarios made small.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

const FOREBAY: &str = env!("CARGO_BIN_EXE_forebay");
/// Small, and still several chunks and shards.
const SMALL: [&str; 10] =
    ["--bytes", "3M", "--runs", "1", "--shrink", "32", "--chunk-bytes", "64K", "--batch", "1M"];

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(FOREBAY);
    command.current_dir(folder).arg("bench").args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn bench(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

/// The object that is printed.
fn measured(folder: &Path, args: &[&str]) -> Value {
    let output = bench(folder, &[args, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    folder.read_dir().unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn limits(object: &Value) -> Vec<&str> {
    object["limits"].as_array().unwrap().iter().map(|l| l["name"].as_str().unwrap()).collect()
}

/// A series' numbers, one a round.
fn numbers(series: &Value) -> impl Iterator<Item = f64> {
    series["all"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap())
}

/// A limit that was measured so many times, or says why it was not.
fn check_limit(limit: &Value, rounds: usize) {
    if limit["absent"].is_string() {
        assert_eq!(limit["name"], "direct write", "{limit}");
        return;
    }
    for series in ["seconds", "gb_per_second", "input_gb_per_second"] {
        assert_eq!(limit[series]["all"].as_array().unwrap().len(), rounds, "{limit}");
        assert!(limit[series]["min"].as_f64().unwrap() > 0.0, "{limit}");
    }
    assert!(limit["forebay_reaches"].as_f64().unwrap() > 0.0, "{limit}");
}

fn check(object: &Value, scenario: &str, rounds: usize) {
    assert_eq!(object["scenario"], scenario);
    assert!(object["bytes_in"].as_u64().unwrap() >= 3 << 20, "{object}");
    assert!(object["bytes_out"].as_u64().unwrap() > 0 && object["source_bytes"].as_u64().unwrap() > 0);
    assert!(object["machine"]["cores"].as_u64().unwrap() > 0);
    let forebay = &object["forebay"];
    for series in ["seconds", "gb_per_second", "open_seconds"] {
        assert_eq!(forebay[series]["all"].as_array().unwrap().len(), rounds, "{forebay}");
    }
    // Round by round: a machine that is busy in one of them takes the medians apart.
    for (seconds, rate) in numbers(&forebay["seconds"]).zip(numbers(&forebay["gb_per_second"])) {
        let bytes = seconds * rate * 1e9;
        assert!((bytes / object["bytes_in"].as_f64().unwrap() - 1.0).abs() < 1e-6, "{object}");
    }
    assert_eq!(forebay["append_seconds"]["count"].as_array().unwrap().len(), rounds);
    assert_eq!(forebay["stage_seconds"]["scatter"].as_array().unwrap().len(), rounds);
    object["limits"].as_array().unwrap().iter().for_each(|l| check_limit(l, rounds));
    assert!(limits(object).contains(&object["binds"].as_str().unwrap()));
    // All that varies comes as numbers, so that a program can read it.
    assert!(object["notes"].to_string().contains("cache"), "a small source is owned up to: {object}");
}

/// Several writers are held against one.
fn check_one_stream(one: &Value, streams: usize) {
    assert_eq!(one.is_null(), streams == 1, "{one}");
    for series in ["gb_per_second", "sum_reaches"].iter().filter(|_| streams > 1) {
        assert!(one[series]["min"].as_f64().unwrap() > 0.0, "{one}");
    }
}

#[test]
fn every_scenario_is_measured() {
    let desk = TempDir::new().unwrap();
    for scenario in ["256cube", "orca2", "medfmt", "smallepoch", "two_streams", "camera"] {
        let object =
            measured(desk.path(), &[&[scenario, "--fill", "xor", "--codec", "zstd:1"], &SMALL[..]].concat());
        check(&object, scenario, 1);
        let streams = if scenario == "two_streams" { 2 } else { 1 };
        assert_eq!(object["streams"], streams);
        assert!(object["device"].as_str().unwrap().starts_with("host"), "{object}");
        assert_eq!(object["device_memory"], Value::Null);
        assert_eq!(object["coder"], Value::Null);
        check_one_stream(&object["one_stream"], streams);
        assert_eq!(limits(&object), ["memcpy", "codec alone"]);
        assert!(object["chunk_bytes"].as_u64().unwrap() <= 64 << 10);
        assert!(
            object["shards"].as_u64().unwrap() >= 4 * object["shards_open"].as_u64().unwrap(),
            "{object}"
        );
    }
    assert!(names(desk.path()).is_empty());
}

/// Chunks that are small enough for levels of the small scenarios. Uncompressed, each level has its share of the output; what
/// the codec alone is timed for is as much.
#[test]
fn levels_are_measured_and_counted() {
    let desk = TempDir::new().unwrap();
    let measure = |scenario: &str, codec: &str| {
        let small = SMALL.map(|a| if a == "64K" { "2K" } else { a });
        measured(desk.path(), &[&[scenario, "--codec", codec], &small[..]].concat())
    };
    for (base, halved) in [("256cube", 3), ("orca2", 2)] {
        for (scenario, halved) in [("_multiscale", halved), ("_multiscale_t", halved + 1)] {
            let scenario = format!("{base}{scenario}");
            let plain = measure(&scenario, "none");
            check(&plain, &scenario, 1);
            let levels = plain["levels"].as_array().unwrap();
            let halvings: Vec<_> =
                levels[1]["halvings"].as_array().unwrap().iter().filter(|h| **h == 1).collect();
            assert_eq!(halvings.len(), halved, "{scenario}");
            let (bytes_in, bytes_out) =
                (plain["bytes_in"].as_f64().unwrap(), plain["bytes_out"].as_f64().unwrap());
            assert!(bytes_out > bytes_in * (1.0 + 0.9 * 0.5f64.powi(halved as i32)), "{plain}");
            let codec = &measure(&scenario, "zstd:1")["limits"][1];
            assert_eq!(codec["name"], "codec alone");
            // Indexes, and the last epoch of a level, which is there in full.
            let share = codec["bytes"].as_f64().unwrap() / bytes_out;
            assert!((0.97..1.03).contains(&share), "{share} {codec}");
        }
    }
    assert_eq!(measure("camera", "none")["levels"].as_array().unwrap().len(), 1);
}

#[test]
fn every_way_in_and_out_is_measured_and_leaves_nothing() {
    let desk = TempDir::new().unwrap();
    std::fs::write(desk.path().join("mine"), "kept").unwrap();
    for ingest in ["copy", "reserve", "registered"] {
        for (sink, codec) in [("discard", "none"), ("disk:.", "none"), ("disk:.", "zstd:1")] {
            let ways = ["camera", "--fill", "rand", "--ingest", ingest, "--sink", sink, "--codec", codec];
            let object = measured(desk.path(), &[&ways[..], &SMALL].concat());
            check(&object, "camera", 1);
            assert_eq!((&object["ingest"], &object["sink"]), (&json!(ingest), &json!(sink)));
            assert_eq!(object["reserved"].is_null(), ingest != "reserve");
            let same = object["bytes_out"] == object["bytes_in"];
            assert_eq!(same, codec == "none", "{object}");
            let want: &[&str] = match (sink, codec) {
                ("discard", _) => &["memcpy"],
                (_, "none") => &["memcpy", "buffered write", "direct write", "memcpy, then write"],
                _ => &["memcpy", "codec alone", "buffered write", "direct write"],
            };
            assert_eq!(limits(&object), want);
            assert_eq!(names(desk.path()), ["mine"]);
        }
    }
}

/// What fills the slots is not in the time: neither in its bytes nor in its stages. What comes after is the same frames, as
/// long as each slot holds whole frames: as many compressed bytes.
#[test]
fn slots_that_are_lent_are_filled_once_before_the_time() {
    let desk = TempDir::new().unwrap();
    let ways = ["camera", "--fill", "rand", "--codec", "zstd:1", "--append", "64K", "--staging", "1M"];
    let of = |ingest: &str| measured(desk.path(), &[&ways[..], &["--ingest", ingest], &SMALL].concat());
    let (copied, lent) = (of("copy"), of("reserve"));
    assert_eq!(lent["reserved"]["bytes"], 2 << 20, "{lent}");
    assert!(lent["notes"].to_string().contains("handed back untouched"), "{lent}");
    assert!(lent["ingest_is"].as_str().unwrap().contains("frame grabber"));
    for same in ["bytes_in", "shards"] {
        assert_eq!(copied[same], lent[same], "{same}");
    }
    let out = |object: &Value| object["bytes_out"].as_f64().unwrap();
    assert!((out(&lent) / out(&copied) - 1.0).abs() < 0.01, "{} {}", out(&lent), out(&copied));
}

#[test]
fn fills_shrink_as_they_should() {
    let desk = TempDir::new().unwrap();
    let plane: Vec<u8> = (0..16 * 64 * 64u32).flat_map(|i| ((i / 9) as u16).to_le_bytes()).collect();
    std::fs::write(desk.path().join("frames.raw"), plane).unwrap();
    let ratio = |fill: &str| {
        let args = [&["camera", "--codec", "zstd:1", "--fill", fill], &SMALL[..]].concat();
        measured(desk.path(), &args)["ratio"].as_f64().unwrap()
    };
    assert!(ratio("zeros") > 100.0);
    assert!((1.0..1.4).contains(&ratio("rand")));
    assert!((1.5..4.0).contains(&ratio("camera")));
    assert!(ratio("frames.raw") > 4.0, "a file of one ramp in each frame");
}

#[test]
fn tiny_appends_are_appends_of_their_size() {
    let desk = TempDir::new().unwrap();
    let args = ["smallepoch", "--codec", "none", "--append", "1000", "--bytes", "1M", "--runs", "2"];
    let object = measured(desk.path(), &args);
    assert_eq!(object["append_bytes"], 1000);
    let appends = (1u64 << 20).div_ceil(1000);
    assert_eq!(object["forebay"]["append_seconds"]["count"], json!([appends, appends]));
}

#[test]
fn people_get_a_table() {
    let desk = TempDir::new().unwrap();
    let output = bench(desk.path(), &[&["camera", "--fill", "zeros"], &SMALL[..]].concat());
    let table = String::from_utf8(output.stdout).unwrap();
    for word in [
        "scenario",
        "camera: t=n y=64 x=64 of uint16",
        "memcpy",
        "<- binds",
        "GB/s of input",
        "note:",
        "p99.9",
        "device",
    ] {
        assert!(table.contains(word), "{word} in {table}");
    }
}

#[test]
fn another_build_is_measured_in_turn() {
    let desk = TempDir::new().unwrap();
    let args =
        [&["camera", "--fill", "zeros", "--sink", "disk:."], &SMALL[..], &["--against", FOREBAY]].concat();
    let args: Vec<_> = args.iter().map(|a| if *a == "1" { "2" } else { a }).collect();
    let object = measured(desk.path(), &args);
    check(&object, "camera", 2);
    assert_eq!(object["against"]["gb_per_second"]["all"].as_array().unwrap().len(), 2);
    assert!(object["against"]["forebay_reaches"].as_f64().unwrap() > 0.0);
    assert!(names(desk.path()).is_empty());
}

/// Exit code and standard error of a bench that does not end well; it leaves nothing.
fn fails(args: &[&str], code: i32, words: &[&str]) {
    let desk = TempDir::new().unwrap();
    let output = bench(desk.path(), args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert!(words.iter().all(|w| said.contains(w)), "{args:?}: {said}");
    assert!(names(desk.path()).is_empty());
}

#[test]
fn another_build_that_fails_is_a_failure() {
    let small = |more: &[&'static str]| {
        [&["camera", "--fill", "zeros", "--sink", "disk:."], &SMALL[..], more].concat()
    };
    fails(&small(&["--against", "no-such"]), 2, &["--against no-such", "path of another"]);
    fails(&small(&["--against", "/bin/false"]), 1, &["--against /bin/false", "failed", "exit status: 1"]);
    fails(&small(&["--against", "/bin/true"]), 1, &["printed no object"]);
}

#[test]
fn bad_input_is_refused_with_its_name_its_value_and_the_remedy() {
    let check = |args: &[&str], words: &[&str]| fails(args, 2, words);
    check(&["webcam"], &["`webcam`", "camera"]);
    check(&["camera", "--sink", "tape"], &["`tape`", "disk:PATH"]);
    check(&["camera", "--sink", "disk:no-such"], &["--sink disk:no-such", "no folder", "exists"]);
    check(&["camera", "--fill", "noise"], &["`noise`", "xor"]);
    check(&["camera", "--append", "0"], &["--append 0", "1 byte"]);
    check(&["camera", "--ingest", "post"], &["post", "registered"]);
    check(&["camera", "--ingest", "reserve", "--append", "1G"], &["--append 1073741824", "--staging"]);
    check(&["camera", "--ingest", "registered", "--append", "64"], &["--append 64", "or more"]);
    check(&["smallepoch", "--chunk-bytes", "4"], &["--chunk-bytes 4", "512 bytes"]);
    check(&["camera", "--codec", "zstd:40"], &["level 40", "22"]);
    check(&["camera", "--runs", "0"], &["0", "--runs"]);
}

#[test]
fn an_interrupted_bench_leaves_nothing() {
    let desk = TempDir::new().unwrap();
    let args = ["smallepoch", "--codec", "none", "--bytes", "8G", "--append", "64", "--sink", "disk:."];
    let child = command(desk.path(), &[&args[..], &["--fill", "zeros"]].concat()).spawn().unwrap();
    while names(desk.path()).is_empty() {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert!(names(desk.path()).is_empty());
}
