//! The forebay command, run as users run it.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Elements of a frame of the streams that are made here: u16, 3 x 5.
const FRAME: usize = 2 * 3 * 5;
const STREAM: [&str; 4] = ["--dtype", "u16", "-d", "t:0:2:1,y:3,x:5"];

/// A folder to work in.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> &Desk {
        fs::write(self.at(name), bytes).unwrap();
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
        command.current_dir(self.0.path()).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// Starts with an open standard input.
    fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdin(Stdio::piped()).spawn().unwrap()
    }

    fn run_with(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut child = self.start(args);
        let mut stdin = child.stdin.take().unwrap();
        // A command that refuses does not read its input.
        let _ = stdin.write_all(input);
        drop(stdin);
        Ran::from(child.wait_with_output().unwrap())
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn shape(&self, store: &str) -> Value {
        document(&self.at(store).join("0"))["shape"].clone()
    }
}

fn document(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("zarr.json")).unwrap()).unwrap()
}

struct Ran {
    code: Option<i32>,
    out: String,
    said: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), said: text(output.stderr) }
    }
}

impl Ran {
    fn fine(self) -> Ran {
        assert_eq!(self.code, Some(0), "{}", self.said);
        self
    }

    /// The one object on standard output.
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.said))
    }
}

/// Real images, cut small.
fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name);
    path.to_str().unwrap().to_owned()
}

const STACK: &str = "brownian-u8-t12-y106-x159.tif";
const VOLUME: &str = "mri-i16-t2-z11-y61-x77.npy";

fn frames(count: usize) -> Vec<u8> {
    (0..count * FRAME).map(|i| (i * 7 % 251) as u8).collect()
}

#[test]
fn files_become_stores_with_the_shape_type_and_names_that_they_have() {
    let check = |file: &str, shape: Value, dtype: &str, names: Value| {
        let desk = Desk::new();
        let ran = desk.run(&["write", &data(file), "out.ome.zarr", "--json"]).fine();
        let said = ran.json();
        let array = document(&desk.at("out.ome.zarr/0"));
        assert_eq!((&said["shape"], &array["shape"]), (&shape, &shape));
        assert_eq!((&said["dtype"], &array["data_type"]), (&json!(dtype), &json!(dtype)));
        assert_eq!(array["dimension_names"], names);
        assert_eq!(array["attributes"]["forebay"]["complete"], true);
        desk.run(&["verify", "out.ome.zarr"]).fine();
    };
    check(STACK, json!([12, 106, 159]), "uint8", json!(["t", "y", "x"]));
    check(VOLUME, json!([2, 11, 61, 77]), "int16", json!(["t", "z", "y", "x"]));
    check("zebrafish-u16-y301-x333.tif", json!([301, 333]), "uint16", json!(["y", "x"]));
}

#[test]
fn elements_come_back_byte_for_byte() {
    let desk = Desk::new();
    let input = frames(4);
    let run = ["write", "-", "out", "--codec", "none", "--dtype", "u16", "-d", "t:4:4:1,y:3:3:1,x:5:5:1"];
    desk.run_with(&run, &input).fine();
    let shard = fs::read(desk.at("out/0/c/0/0/0")).unwrap();
    assert_eq!(&shard[..input.len()], input);
}

#[test]
fn raw_files_and_standard_input_are_written_alike() {
    let desk = Desk::new();
    desk.file("a.raw", &frames(5)).file("b.raw", &frames(3));
    desk.run_with(&[&["write", "-", "piped"], &STREAM[..]].concat(), &frames(5)).fine();
    desk.run(&[&["write", "a.raw", "file"], &STREAM[..]].concat()).fine();
    desk.run(&[&["write", "a.raw", "b.raw", "both"], &STREAM[..]].concat()).fine();
    assert_eq!(desk.shape("piped"), json!([5, 3, 5]));
    assert_eq!(desk.shape("file"), json!([5, 3, 5]));
    assert_eq!(desk.shape("both"), json!([8, 3, 5]));
    let shard = |store: &str| fs::read(desk.at(store).join("0/c/2/0/0")).unwrap();
    assert_eq!(shard("piped"), shard("file"));
}

#[test]
fn what_is_given_is_stored() {
    let desk = Desk::new();
    desk.file("about.json", br#"{"operator": "N. N."}"#);
    let args = ["write", &data(VOLUME), "run.ome.zarr", "-d", "t,z:11:4:3,y::32,x::32:2"];
    let more = ["--codec", "blosc-lz4:3:bitshuffle", "--crc32c", "--fill-value", "-7"];
    let rest = ["--scale", "t=100ms,z=2um,y=0.65um,x=0.65um", "--attributes", "about.json"];
    desk.run(&[&args[..], &more, &rest].concat()).fine();
    let group = document(&desk.at("run.ome.zarr"));
    assert_eq!(group["attributes"]["operator"], "N. N.");
    let image = &group["attributes"]["ome"]["multiscales"][0];
    assert_eq!(image["name"], "run");
    assert_eq!(image["axes"][0]["unit"], "millisecond");
    let scale = &image["datasets"][0]["coordinateTransformations"][0]["scale"];
    assert_eq!(scale, &json!([100.0, 2.0, 0.65, 0.65]));
    let array = document(&desk.at("run.ome.zarr/0")).to_string();
    for part in ["\"fill_value\":-7", "\"bitshuffle\"", "\"crc32c\"", "\"chunk_shape\":[2,4,32,32]"] {
        assert!(array.contains(part), "{part} in {array}");
    }
}

#[test]
fn plain_arrays_and_other_orders_are_written() {
    let desk = Desk::new();
    let order = ["--order", "t,x,y,z", "--plain"];
    desk.run(&[&["write", &data(VOLUME), "out"], &order[..]].concat()).fine();
    let array = document(&desk.at("out"));
    assert_eq!(array["shape"], json!([2, 77, 61, 11]));
    assert_eq!(array["node_type"], "array");
}

#[test]
fn an_order_that_is_mended_is_told() {
    let desk = Desk::new();
    let run = ["write", "-", "out", "--dtype", "u8", "-d", "t:0,z:2,c:3,y:4,x:4"];
    let ran = desk.run_with(&run, &[0; 96]).fine();
    assert!(ran.said.contains("t c z y x") && ran.said.contains("OME-Zarr asks"), "{}", ran.said);
}

/// Runs `write IN out ARGS` and demands exit 2, the words on standard error, and that nothing was written.
fn refused(args: &[&str], words: &[&str]) {
    let desk = Desk::new();
    desk.file("list.json", b"[1]").file("broken.json", b"{").file("name.json", br#"{"ome": 1}"#);
    desk.file("note.txt", b"text");
    let before = desk.names();
    let ran = desk.run(&[&["write"], args].concat());
    assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.said);
    for word in words {
        assert!(ran.said.contains(word), "`{word}` of {args:?} in: {}", ran.said);
    }
    assert_eq!(desk.names(), before, "{args:?} wrote something");
    let json = desk.run(&[&["write"], args, &["--json"]].concat());
    let error = &json.json()["error"];
    assert_eq!(error["exit"], 2);
    assert!(words.iter().all(|w| error["message"].as_str().unwrap().contains(w)), "{error}");
}

#[test]
fn bad_input_is_refused_with_a_remedy_and_nothing_is_written() {
    let (stack, volume) = (data(STACK), data(VOLUME));
    let with = |more: &[&str], words: &[&str]| refused(&[&[&*stack, "out"], more].concat(), words);
    refused(&[], &["nothing is given", "store"]);
    refused(&["only"], &["only `only`", "store"]);
    refused(&["missing.npy", "out"], &["missing.npy", "check the path"]);
    refused(&["-", "out"], &["--dtype", "-d name:size"]);
    refused(&["-", "out", "-d", "t:0,y:3,x:5"], &["--dtype"]);
    refused(&["-", "out", "--dtype", "u16", "-d", "t:0,y,x:5"], &["inner axis"]);
    with(&["--codec", "lz4"], &["blosc-lz4"]);
    with(&["--codec", "gzip"], &["gzip", "zstd"]);
    with(&["--codec", "zstd:23"], &["23", "22"]);
    with(&["--codec", "blosc-lz4:10"], &["10", "0 to 9"]);
    with(&["--dtype", "u16"], &["uint16", "uint8", "leave --dtype out"]);
    with(&["--dtype", "c64"], &["c64", "f32"]);
    with(&["-d", "y:107"], &["`y`", "107", "106"]);
    with(&["-d", "t:5"], &["`t`", "5", "12"]);
    with(&["-d", "c:5"], &["`c`", "t y x"]);
    with(&["-d", "y:106:0"], &["`y`", "chunk 0"]);
    with(&["-d", "t:a"], &["`a`", "t:0:16:4"]);
    with(&["--order", "y,t,x"], &["`t`", "first"]);
    with(&["--scale", "q=1um"], &["`q`", "t, y, x"]);
    with(&["--scale", "y=1furlong"], &["furlong", "um"]);
    with(&["--scale", "y=0um"], &["`y`", "larger than 0"]);
    with(&["--fill-value", "256"], &["256", "range"]);
    with(&["--attributes", "list.json"], &["list.json", "object"]);
    with(&["--attributes", "broken.json"], &["broken.json", "JSON"]);
    with(&["--attributes", "none.json"], &["none.json", "cannot be read"]);
    with(&["--attributes", "name.json"], &["`ome`", "another name"]);
    with(&["--slots", "9"], &["slots", "2 to 8"]);
    with(&["--channel", "a", "--channel", "b"], &["channels: 2 are named", "no axis of channels"]);
    with(&["--channel", "a:red"], &["`red`", "0000FF"]);
    with(&["--window", "data", "--plain"], &["plain array", "leave channels and window out"]);
    with(&["--window", "values"], &["`values`", "type or data"]);
    with(&["--batch", "many"], &["many", "32M"]);
    refused(&[&volume, "out", "-d", "t,q,y,x", "--order", "t,q,x"], &["3 of 4"]);
    refused(&[&volume, "note.txt"], &["note.txt", "another path"]);
}

#[test]
fn only_a_zarr_store_is_replaced_and_only_when_asked() {
    let desk = Desk::new();
    let write = |more: &[&str]| desk.run(&[&["write", &data(STACK), "out"], more].concat());
    write(&[]).fine();
    fs::write(desk.at("out/left"), b"over").unwrap();
    let ran = write(&[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.said.contains("--overwrite"), "{}", ran.said);
    assert_eq!(write(&["--overwrite", "--codec", "zstd:99"]).code, Some(2));
    assert!(desk.at("out/left").exists(), "a refused run has removed the store");
    write(&["--overwrite"]).fine();
    assert!(!desk.at("out/left").exists());

    fs::remove_dir_all(desk.at("out")).unwrap();
    fs::create_dir(desk.at("out")).unwrap();
    desk.file("out/thesis.tex", b"dear");
    for more in [&[][..], &["--overwrite"]] {
        let ran = write(more);
        assert_eq!(ran.code, Some(2));
        assert!(!ran.said.contains("--overwrite"), "{}", ran.said);
        assert_eq!(fs::read(desk.at("out/thesis.tex")).unwrap(), b"dear");
    }
}

#[test]
fn plan_says_what_write_does_and_writes_nothing() {
    let desk = Desk::new();
    let args = ["--codec", "zstd:3", "-d", "t::2,y::32,x::32"];
    let plan = desk.run(&[&["plan", &data(STACK), "out", "--json"], &args[..]].concat()).fine().json();
    let text = desk.run(&[&["plan", &data(STACK), "out"], &args[..]].concat()).fine().out;
    assert_eq!(desk.names(), [""; 0]);
    let wrote = desk.run(&[&["write", &data(STACK), "out", "--json"], &args[..]].concat()).fine().json();
    for field in ["dtype", "codec", "chunk", "shard", "order", "dims", "notes"] {
        assert_eq!(plan[field], wrote[field], "{field}");
    }
    let total: u64 = plan["budget"]["holders"].as_array().unwrap().iter().map(bytes).sum();
    assert_eq!(plan["budget"]["total"], total);
    for word in ["chunks/shard", "chunk pool", "epoch", "batch", "staging", "host wait"] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

/// A small stack with a pyramid: t is halved too, by a reducer of its own.
const PYRAMID: [&str; 10] = [
    "--codec",
    "none",
    "-d",
    "t:0:2:2,y::32:1,x::32:1",
    "--scale",
    "t=0.1s,y=0.65um,x=0.65um",
    "--pyramid",
    "yx:mean,t:max",
    "--levels",
    "2",
];

#[test]
fn plan_lists_the_levels_that_write_makes_and_info_finds() {
    let desk = Desk::new();
    let plan = desk.run(&[&["plan", &data(STACK), "out", "--json"], &PYRAMID[..]].concat()).fine().json();
    let shape = |level: &Value| level["shape"].clone();
    let levels = plan["levels"].as_array().unwrap();
    // Frames that come in any number have no end in the plan.
    let want = [json!([null, 106, 159]), json!([null, 53, 80]), json!([null, 27, 40])];
    assert_eq!(levels.iter().map(shape).collect::<Vec<_>>(), want);
    assert_eq!(levels[2]["halvings"], json!([2, 2, 2]));
    // What each level takes of the memory, and all of them all of it.
    let held: Vec<_> = levels.iter().map(|l| l["memory"].as_u64().unwrap()).collect();
    assert_eq!(held.iter().sum::<u64>(), plan["budget"]["total"].as_u64().unwrap());
    assert!(held[0] > held[1] && held[1] > held[2] && held[2] > 0, "{held:?}");
    let shares: f64 = levels.iter().map(|l| l["memory_share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    desk.run(&[&["write", &data(STACK), "out"], &PYRAMID[..]].concat()).fine();
    let info = desk.run(&["info", "out", "--json"]).fine().json();
    let image = &info["images"][0];
    for (planned, stored) in levels.iter().zip(image["levels"].as_array().unwrap()) {
        assert_eq!((&planned["path"], &planned["scale"]), (&stored["path"], &stored["scale"]));
    }
    assert_eq!(image["levels"].as_array().unwrap().len(), 3);
    assert_eq!(image["downsampling"]["type"], "mean, then max along t");
    assert_eq!(image["downsampling"]["metadata"]["kwargs"]["then"]["dims"], json!(["t"]));
    let stored: Vec<_> = info["arrays"].as_array().unwrap().iter().map(shape).collect();
    assert_eq!(stored, [json!([12, 106, 159]), json!([6, 53, 80]), json!([3, 27, 40])]);
    let text = desk.run(&["info", "out"]).fine().out;
    assert!(text.contains("levels 0, 1, 2 made by mean, then max along t"), "{text}");
}

#[test]
fn why_no_level_is_made_is_said() {
    let desk = Desk::new();
    let check = |words: &[&str], want: &str| {
        let asked = [&["plan", "-", "out", "--json", "--dtype", "u16", "-d"], words].concat();
        let notes = desk.run(&asked).fine().json()["notes"].to_string();
        assert!(notes.contains(want), "{words:?}: {notes}");
    };
    let fit = "y, x fit in one chunk (8 x 256 x 256)";
    check(&["t:0,y:256,x:256", "--pyramid", "yx"], &format!("{fit}; smaller chunks would have some"));
    check(&["t:0,y:256,x:256", "--pyramid", "tyx"], &format!("{fit}, and t has no end: say how many"));
    let flat = ["t:0,z:1,y:1024,x:1024", "--pyramid", "zyx", "--keep-aspect"];
    check(&flat, "z fits in one chunk (2 x 1 x 512 x 512)\"");
    check(&["t:0,y:1024,x:1024", "--pyramid", "yx"], "[]");
}

#[test]
fn channels_are_shown_as_asked_and_info_says_so() {
    let desk = Desk::new();
    let run = ["write", "-", "out", "--dtype", "u8", "-d", "t:0,c:2,y:2,x:2", "--window", "data"];
    let channels = ["--channel", "DAPI:0000ff", "--channel", "GFP"];
    desk.run_with(&[&run[..], &channels].concat(), &[3, 4, 5, 6, 90, 80, 70, 60]).fine();
    let info = desk.run(&["info", "out", "--json"]).fine().json();
    let channel = |label, color, min: f64, max: f64| {
        let window = json!({ "min": min, "max": max, "start": min, "end": max });
        json!({ "label": label, "color": color, "window": window })
    };
    let want = json!([channel("DAPI", "0000FF", 3.0, 6.0), channel("GFP", "FF00FF", 60.0, 90.0)]);
    assert_eq!(info["images"][0]["channels"], want);
    let text = desk.run(&["info", "out"]).fine().out;
    assert!(text.contains("GFP") && text.contains("60 to 90 in FF00FF"), "{text}");
    desk.run(&["write", &data(STACK), "other"]).fine();
    assert_eq!(desk.run(&["info", "other", "--json"]).fine().json()["images"][0]["channels"], json!([]));
    let plan = desk.run(&["plan", &data(STACK), "new", "--channel", "a", "--channel", "b"]);
    assert_eq!(plan.code, Some(2), "{}", plan.said);
}

#[test]
fn plan_says_what_levels_cost() {
    let desk = Desk::new();
    let plan = |more: &[&str]| desk.run(&[&["plan", &data(STACK), "out"], more].concat()).fine();
    let of = |more: &[&str]| plan(&[more, &["--json"]].concat()).json();
    let pool = |plan: &Value| {
        let holders = plan["budget"]["holders"].as_array().unwrap();
        holders.iter().find(|h| h["name"] == "chunk pool").unwrap()["bytes"].as_u64().unwrap()
    };
    let (with, without) = (of(&PYRAMID), of(&PYRAMID[..6]));
    let bytes = |plan: &Value, what: &str| plan["bytes"][what].as_u64().unwrap();
    assert!(bytes(&with, "batch_levels") > 0);
    assert_eq!(pool(&with), bytes(&with, "batch") + bytes(&with, "batch_levels"));
    assert_eq!(bytes(&without, "batch_levels"), 0);
    assert_eq!(without["levels"].as_array().unwrap().len(), 1);
    let text = plan(&PYRAMID).out;
    for word in
        ["Levels, each made from the one above by mean, then max along t", "t 2x y 2x x 2x", "0.4 2.6 2.6"]
    {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert!(!plan(&PYRAMID[..6]).out.contains("evels"));
    let alone = of(&["--plain"]);
    assert_eq!(alone["levels"][0]["path"], "");
}

fn bytes(holder: &Value) -> u64 {
    holder["copies"].as_u64().unwrap() * holder["bytes"].as_u64().unwrap()
}

#[test]
fn the_report_has_the_totals() {
    let desk = Desk::new();
    let ran = desk.run_with(&[&["write", "-", "out", "--json"], &STREAM[..]].concat(), &frames(5)).fine();
    let report = ran.json();
    assert_eq!(report["bytes_in"], 5 * FRAME);
    assert_eq!(report["missing_bytes"], 0);
    assert_eq!(report["shards"], 3);
    assert_eq!((&report["chunk"], &report["shard"]), (&json!([2, 3, 5]), &json!([2, 3, 5])));
    assert_eq!((&report["codec"], &report["store"]), (&json!("blosc-zstd:1:shuffle"), &json!("out")));
    assert!(report["seconds"].as_f64().unwrap() > 0.0);
    assert!(report["ratio"].as_f64().unwrap() > 0.0);
    assert!(report["stages"].as_array().unwrap().iter().any(|s| s["name"] == "compress"));
    assert!(report["waits"].is_array() && report["error"].is_null());
    for word in ["shape", "stored", "stages", "waits", "t 5"] {
        assert!(ran.said.contains(word), "{word} in {}", ran.said);
    }
}

/// Frames of 1024x1024 u16 that do not compress well, `count` of them.
fn large_frames(count: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = |_| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (state >> 56) as u8
    };
    let one: Vec<u8> = (0..2 << 20).map(next).collect();
    one.repeat(count)
}

#[test]
fn the_process_stays_below_its_memory_cap() {
    const CAP: u64 = 112 << 20;
    let desk = Desk::new();
    let dims = ["-d", "t:0:8:4,y:1024:256:4,x:1024:256:4", "--dtype", "u16", "--memory", "112M", "--json"];
    let run = [&["write", "-", "out"], &dims[..]].concat();
    let ran = desk.run_with(&run, &large_frames(150)).fine();
    let peak = ran.json()["peak_memory"].as_u64().unwrap();
    assert!(peak <= CAP + CAP / 10, "{} MiB at most", peak >> 20);
    assert_eq!(desk.shape("out"), json!([150, 1024, 1024]));
    assert!(ran.said.contains("made smaller to fit"), "{}", ran.said);
}

#[test]
fn a_cap_that_is_too_small_is_refused_with_a_chunk_that_fits() {
    let dims = "t:0:64:1,y:1024:1024:1,x:1024:1024:1";
    let words = ["memory", "codec scratch", "chunks of", "x1024x1024"];
    refused(&["-", "out", "--dtype", "u16", "-d", dims, "--memory", "200M"], &words);
}

#[test]
fn direct_writing_stores_the_same_with_and_without_the_gate() {
    let desk = Desk::new();
    let write = |store: &str, more: &[&str]| {
        let run = [&["write", "-", store, "--batch", "1"], &STREAM[..], more].concat();
        desk.run_with(&run, &frames(40))
    };
    let direct = write("direct", &["--direct"]);
    if direct.code != Some(0) {
        // Only a file system that cannot may refuse, and then it says which.
        let path = desk.0.path().display().to_string();
        assert!(direct.said.contains("direct I/O") && direct.said.contains(&path), "{}", direct.said);
        return;
    }
    write("plain", &[]).fine();
    write("gateless", &["--direct", "--no-gate"]).fine();
    let shard = |store: &str, t| fs::read(desk.at(store).join(format!("0/c/{t}/0/0"))).unwrap();
    for t in 0..20 {
        assert!(shard("plain", t) == shard("direct", t) && shard("plain", t) == shard("gateless", t), "{t}");
    }
    desk.run(&["verify", "direct"]).fine();
    let refusal = write("refused", &["--direct", "--no-gate", "--mode", "pipelined"]);
    assert!(refusal.said.contains("pipelined") && refusal.said.contains("gate"), "{}", refusal.said);
    assert!(!desk.at("refused").exists());
}

#[test]
fn every_mode_stores_the_same() {
    let desk = Desk::new();
    for mode in ["pipelined", "drain-before-kick", "drain-after-kick"] {
        let run = [&["write", "-", mode, "--batch", "1", "--mode", mode], &STREAM[..]].concat();
        desk.run_with(&run, &frames(5)).fine();
    }
    let shard = |store: &str, t| fs::read(desk.at(store).join(format!("0/c/{t}/0/0"))).unwrap();
    for t in 0..3 {
        assert!(shard("pipelined", t) == shard("drain-before-kick", t));
        assert!(shard("pipelined", t) == shard("drain-after-kick", t));
    }
    refused(&["-", "out", "--mode", "fast", "--dtype", "u8", "-d", "y:2,x:2"], &["fast", "pipelined"]);
}

#[test]
fn a_stream_may_be_shorter_than_its_size() {
    let desk = Desk::new();
    let run = ["write", "-", "out", "--dtype", "u16", "-d", "t:9,y:3,x:5"];
    let ran = desk.run_with(&run, &frames(4)).fine();
    assert!(ran.said.contains("ends at 4 of 9"), "{}", ran.said);
    assert_eq!(desk.shape("out"), json!([4, 3, 5]));
}

#[test]
fn a_stream_that_goes_on_past_its_size_is_closed_and_reported() {
    let desk = Desk::new();
    let run = ["write", "-", "out", "--json", "--dtype", "u16", "-d", "t:2,y:3,x:5"];
    let ran = desk.run_with(&run, &frames(4));
    assert_eq!(ran.code, Some(1), "{}", ran.said);
    assert!(ran.json()["error"]["message"].as_str().unwrap().contains("-d t:0"), "{}", ran.said);
    assert_eq!(desk.shape("out"), json!([2, 3, 5]));
    desk.run(&["verify", "out"]).fine();
}

#[test]
fn a_stream_that_ends_within_a_frame_is_closed_and_reported() {
    let desk = Desk::new();
    let run = [&["write", "-", "out", "--json"], &STREAM[..]].concat();
    let ran = desk.run_with(&run, &frames(4)[..3 * FRAME + 7]);
    assert_eq!(ran.code, Some(1), "{}", ran.said);
    let report = ran.json();
    assert_eq!((&report["shape"], &report["missing_bytes"]), (&json!([4, 3, 5]), &json!(FRAME - 7)));
    assert!(report["error"]["message"].as_str().unwrap().contains("7 of its 30 bytes"), "{}", ran.said);
    let said = desk.run(&["verify", "out"]).fine();
    assert!(said.out.contains("cut off"), "{}", said.out);
    assert_eq!(document(&desk.at("out/0"))["attributes"]["forebay"]["complete"], false);
}

#[test]
fn a_file_that_breaks_in_mid_run_leaves_what_was_read() {
    let desk = Desk::new();
    let mut bytes = fs::read(data(STACK)).unwrap();
    // Somewhere in the compressed pages, whose directories are all sound.
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    desk.file("broken.tif", &bytes);
    let ran = desk.run(&["write", "broken.tif", "out", "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.said);
    let report = ran.json();
    assert!(report["error"]["message"].as_str().unwrap().contains("broken.tif"), "{report}");
    assert_eq!(desk.shape("out"), report["shape"]);
    desk.run(&["verify", "out"]).fine();
    assert_eq!(document(&desk.at("out/0"))["attributes"]["forebay"]["complete"], false);
}

#[test]
fn an_interrupt_closes_the_store_while_the_input_stays_open() {
    for signal in ["-INT", "-TERM"] {
        let desk = Desk::new();
        let mut child = desk.start(&[&["write", "-", "out", "--json"], &STREAM[..]].concat());
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&frames(6)).unwrap();
        wait_for_frames(&desk);
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let ran = Ran::from(child.wait_with_output().unwrap());
        drop(stdin);
        assert_eq!(ran.code, Some(130), "{}", ran.said);
        let report = ran.json();
        assert_eq!((&report["shape"], &report["interrupted"]), (&json!([6, 3, 5]), &json!(true)));
        assert_eq!(desk.shape("out"), json!([6, 3, 5]));
        assert_eq!(document(&desk.at("out/0"))["attributes"]["forebay"]["complete"], true);
        desk.run(&["verify", "out"]).fine();
    }
}

/// Until the first frames are published, which says that the command has read them all: they came in one write.
fn wait_for_frames(desk: &Desk) {
    for _ in 0..600 {
        let text = fs::read(desk.at("out/0/zarr.json")).unwrap_or_default();
        let shape = serde_json::from_slice::<Value>(&text).map(|d| d["shape"][0].clone());
        if shape.is_ok_and(|n| n.as_u64() > Some(0)) {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "another process has no mark to block on")]
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("nothing was published within a minute");
}

#[test]
fn what_the_arguments_do_not_mean_is_an_object_too() {
    let desk = Desk::new();
    let ran = desk.run(&["write", "--no-such-option", "--json"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.json()["error"]["message"].as_str().unwrap().contains("--no-such-option"));
}

#[test]
fn the_demo_streams_reports_and_says_how_to_open_it() {
    let desk = Desk::new();
    let args = ["demo", "--seconds", "1", "--size", "256", "--json"];
    let ran = desk.run(&args).fine();
    let report = ran.json();
    assert_eq!(report["shape"][1], 256);
    assert!(report["shape"][0].as_u64().unwrap() > 0);
    for word in ["import zarr", "napari", "forebay verify forebay-demo.ome.zarr"] {
        assert!(ran.said.contains(word), "{word} in {}", ran.said);
    }
    let again = desk.run(&args);
    assert_eq!(again.code, Some(2));
    assert!(again.said.contains("forebay-demo.ome.zarr") && again.said.contains("--overwrite"));
    let levels = |more: &[&str]| {
        let args = ["demo", "--seconds", "1", "--codec", "none", "--device", "host", "--overwrite"];
        desk.run(&[&args[..], more].concat()).fine();
        desk.run(&["verify", "forebay-demo.ome.zarr"]).fine();
        let info = desk.run(&["info", "forebay-demo.ome.zarr", "--json"]).fine().json();
        info["images"][0]["levels"].as_array().unwrap().len()
    };
    assert_eq!(levels(&["--size", "256", "--no-pyramid"]), 1);
    assert!(ran.said.contains("no coarser levels are made: y, x fit in one chunk"), "{}", ran.said);
    assert!(levels(&["--size", "1024"]) > 1);
}

#[test]
fn help_and_version_are_on_standard_output() {
    let desk = Desk::new();
    let check = |args: &[&str], words: &[&str]| {
        let ran = desk.run(args).fine();
        assert!(words.iter().all(|w| ran.out.contains(w)), "{args:?}: {}", ran.out);
    };
    check(&["--version"], &["forebay ", env!("CARGO_PKG_VERSION")]);
    check(&["--help"], &["forebay demo", "forebay write stack.tif", "camera | forebay write -", "130"]);
    check(&["write", "--help"], &["blosc-lz4", "Examples", "chunks-per-shard"]);
    check(&["plan", "--help"], &["writes nothing"]);
}

#[test]
fn a_reader_of_standard_output_may_go_away() {
    let desk = Desk::new();
    let mut child = desk.start(&["plan", &data(STACK), "out"]);
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
}
