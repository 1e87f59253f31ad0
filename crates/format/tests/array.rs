//! `zarr.json` of arrays: the text, the way there and back, other writers' stores, and what is refused.

use forebay_format::{Array, IndexLocation, Separator};
use plan::{Blosc, BloscInner, Codec, DType, Fill, Shuffle};
use serde_json::{Map, Value, json};

fn array(dtype: DType, codec: Codec) -> Array {
    Array {
        shape: vec![10, 64, 100],
        shard_shape: vec![4, 64, 64],
        chunk_shape: vec![2, 32, 64],
        dtype,
        fill: Fill::zero(dtype),
        codec,
        crc32c: false,
        blosc_block: None,
        index: IndexLocation::End,
        separator: Separator::Slash,
        dimension_names: ["t", "y", "x"].map(str::to_owned).to_vec(),
        attributes: Map::new(),
    }
}

fn codecs() -> Vec<Codec> {
    let mut all = vec![Codec::None, Codec::Zstd { level: 1 }, Codec::Zstd { level: 22 }];
    for inner in [BloscInner::Lz4, BloscInner::Zstd] {
        for shuffle in [Shuffle::No, Shuffle::Byte, Shuffle::Bit] {
            for block in [None, Some(1 << 18)] {
                all.push(Codec::Blosc(Blosc { inner, level: 5, shuffle, block }));
            }
        }
    }
    all
}

fn parse(value: &Value) -> Result<Array, String> {
    Array::parse(value.to_string().as_bytes()).map_err(|e| e.to_string())
}

#[test]
fn an_array_has_this_text() {
    let text = r#"{
  "zarr_format": 3,
  "node_type": "array",
  "shape": [
    8,
    4
  ],
  "data_type": "uint16",
  "chunk_grid": {
    "name": "regular",
    "configuration": {
      "chunk_shape": [
        4,
        4
      ]
    }
  },
  "chunk_key_encoding": {
    "name": "default",
    "configuration": {
      "separator": "/"
    }
  },
  "fill_value": 7,
  "codecs": [
    {
      "name": "sharding_indexed",
      "configuration": {
        "chunk_shape": [
          2,
          4
        ],
        "codecs": [
          {
            "name": "bytes",
            "configuration": {
              "endian": "little"
            }
          },
          {
            "name": "zstd",
            "configuration": {
              "level": 1,
              "checksum": false
            }
          },
          {
            "name": "crc32c"
          }
        ],
        "index_codecs": [
          {
            "name": "bytes",
            "configuration": {
              "endian": "little"
            }
          },
          {
            "name": "crc32c"
          }
        ],
        "index_location": "end"
      }
    }
  ],
  "attributes": {
    "z": 1,
    "a": 0.1
  },
  "dimension_names": [
    "t",
    null
  ]
}
"#;
    let attributes = json!({ "z": 1, "a": 0.1 }).as_object().unwrap().clone();
    let array = Array {
        shape: vec![8, 4],
        shard_shape: vec![4, 4],
        chunk_shape: vec![2, 4],
        fill: Fill::parse("7", DType::U16).unwrap(),
        crc32c: true,
        dimension_names: vec!["t".to_owned(), String::new()],
        attributes,
        ..array(DType::U16, Codec::Zstd { level: 1 })
    };
    assert_eq!(String::from_utf8(array.to_bytes()).unwrap(), text);
    assert_eq!(Array::parse(text.as_bytes()).unwrap(), array);
}

#[test]
fn codecs_are_objects_with_the_parameters_of_the_registry() {
    let chain = |a: &Array| a.to_json()["codecs"][0]["configuration"]["codecs"].clone();
    let blosc = Blosc { inner: BloscInner::Lz4, level: 3, shuffle: Shuffle::Bit, block: None };
    let recorded = Array { blosc_block: Some(65536), ..array(DType::F32, Codec::Blosc(blosc)) };
    let little = json!({ "name": "bytes", "configuration": { "endian": "little" } });
    let configuration =
        json!({ "typesize": 4, "cname": "lz4", "clevel": 3, "shuffle": "bitshuffle", "blocksize": 65536 });
    assert_eq!(chain(&recorded), json!([little, { "name": "blosc", "configuration": configuration }]));
    assert_eq!(chain(&array(DType::I8, Codec::None)), json!([{ "name": "bytes" }]));
    let automatic = chain(&array(DType::F32, Codec::Blosc(blosc)));
    assert_eq!(automatic[1]["configuration"]["blocksize"], 0);
}

#[test]
fn every_type_codec_and_place_is_read_back() {
    for dtype in DType::ALL {
        for codec in codecs() {
            for (crc32c, index, separator) in
                [(false, IndexLocation::End, Separator::Slash), (true, IndexLocation::Start, Separator::Dot)]
            {
                let blosc_block = if let Codec::Blosc(blosc) = codec { blosc.block } else { None };
                let want = Array { crc32c, index, separator, blosc_block, ..array(dtype, codec) };
                assert_eq!(Array::parse(&want.to_bytes()).unwrap(), want);
            }
        }
    }
}

#[test]
fn an_array_without_dimensions_is_read_back() {
    let empty = Array {
        shape: vec![],
        shard_shape: vec![],
        chunk_shape: vec![],
        dimension_names: vec![],
        ..array(DType::U8, Codec::None)
    };
    assert_eq!(empty.to_json().get("dimension_names"), None);
    assert_eq!(Array::parse(&empty.to_bytes()).unwrap(), empty);
}

/// Written by tensorstore 0.1.86: no names, no attributes, no place of the index, no separator.
#[test]
fn the_short_form_of_tensorstore_is_read() {
    let text = r#"{"chunk_grid":{"configuration":{"chunk_shape":[2,8]},"name":"regular"},"chunk_key_encoding":{"name":"default"},"codecs":[{"configuration":{"chunk_shape":[1,4],"codecs":[{"configuration":{"endian":"little"},"name":"bytes"},{"configuration":{"blocksize":0,"clevel":5,"cname":"lz4","shuffle":"shuffle","typesize":2},"name":"blosc"}],"index_codecs":[{"configuration":{"endian":"little"},"name":"bytes"},{"name":"crc32c"}]},"name":"sharding_indexed"}],"data_type":"float16","fill_value":0.0,"node_type":"array","shape":[4,8],"zarr_format":3}"#;
    let array = Array::parse(text.as_bytes()).unwrap();
    assert_eq!((array.index, array.separator), (IndexLocation::End, Separator::Slash));
    let (inner, shuffle) = (BloscInner::Lz4, Shuffle::Byte);
    assert_eq!(array.codec, Codec::Blosc(Blosc { inner, level: 5, shuffle, block: None }));
    assert!(array.dimension_names.is_empty() && array.attributes.is_empty());
}

/// What others may write and forebay does not: bare names, empty lists, extensions that may be passed over.
#[test]
fn loose_forms_are_read() {
    let mut value = array(DType::U8, Codec::Zstd { level: 3 }).to_json();
    value["chunk_key_encoding"] = json!("default");
    value["storage_transformers"] = json!([]);
    value["extra"] = json!({ "must_understand": false });
    value["codecs"][0]["configuration"]["codecs"] =
        json!(["bytes", { "name": "zstd", "configuration": { "level": -5, "checksum": true } }, "crc32c"]);
    value["codecs"][0]["configuration"]["index_codecs"][1] = json!("crc32c");
    let array = parse(&value).unwrap();
    assert_eq!((array.codec, array.crc32c), (Codec::Zstd { level: -5 }, true));
}

/// Replaces the value at a JSON pointer and expects the message to begin so.
fn refused(pointer: &str, new: Value, message: &str) {
    let mut value = array(DType::U16, codecs()[4]).to_json();
    *value.pointer_mut(pointer).unwrap() = new;
    let said = parse(&value).unwrap_err();
    assert!(said.starts_with(message), "{said}\n  instead of\n{message}");
}

#[test]
fn what_forebay_does_not_read_is_named() {
    let bytes = json!({ "name": "bytes", "configuration": { "endian": "little" } });
    let big = json!({ "name": "bytes", "configuration": { "endian": "big" } });
    let inner = "/codecs/0/configuration/codecs";
    let blosc = "/codecs/0/configuration/codecs/1/configuration";
    let unread = "which forebay does not read";
    refused(
        "/codecs",
        json!([bytes]),
        &format!("`codecs[0]` is \"bytes\", {unread}: it reads sharded arrays"),
    );
    refused("/codecs", json!([{ "name": "sharding_indexed" }, "gzip"]), "`codecs[1]` is \"gzip\"");
    refused("/codecs", json!([bytes, "zstd"]), "`codecs[0]` is \"bytes\"");
    refused("/zarr_format", json!(2), "`zarr_format` is 2");
    refused("/node_type", json!("group"), "`node_type` is \"group\"");
    refused("/data_type", json!("complex64"), "`data_type` is \"complex64\"");
    refused("/data_type", json!("u16"), "`data_type` is \"u16\"");
    refused("/chunk_grid/name", json!("rectilinear"), "`chunk_grid` is \"rectilinear\"");
    refused("/chunk_key_encoding/name", json!("v2"), "`chunk_key_encoding` is \"v2\"");
    refused(inner, json!([big]), "`codecs[0].configuration.codecs[0].configuration.endian` is \"big\"");
    refused(inner, json!(["transpose", bytes]), "`codecs[0].configuration.codecs[0]` is \"transpose\"");
    refused(inner, json!([bytes, "gzip"]), "`codecs[0].configuration.codecs[1]` is \"gzip\"");
    refused(inner, json!([bytes, "crc32c", "zstd"]), "`codecs[0].configuration.codecs[2]` is \"zstd\"");
    refused(
        "/codecs/0/configuration/index_codecs",
        json!([bytes]),
        "`codecs[0].configuration.index_codecs` is [",
    );
    let field = "codecs[0].configuration.codecs[1].configuration.cname";
    refused(&format!("{blosc}/cname"), json!("zlib"), &format!("`{field}` is \"zlib\", {unread}"));
}

#[test]
fn what_is_broken_is_named() {
    let inner = "/codecs/0/configuration";
    let field = "codecs[0].configuration";
    let chain = format!("{field}.codecs");
    refused("/shape", json!([10, -1, 100]), "`shape[1]` is -1");
    refused("/shape", json!([10, 100]), "`chunk_grid.configuration.chunk_shape` is [4,64,64]");
    refused(
        "/chunk_grid/configuration/chunk_shape/0",
        json!(0),
        "`chunk_grid.configuration.chunk_shape` is [0,",
    );
    refused("/chunk_grid/configuration", json!({}), "`chunk_grid.configuration.chunk_shape` is missing");
    refused(
        "/chunk_key_encoding/configuration/separator",
        json!("-"),
        "`chunk_key_encoding.configuration.sep",
    );
    refused("/fill_value", json!(65536), "`fill_value` is 65536");
    refused("/attributes", json!(null), "`attributes` is null");
    refused("/dimension_names", json!(["t"]), "`dimension_names` is [\"t\"]");
    refused("/dimension_names/1", json!(1), "`dimension_names[1]` is 1");
    refused("/codecs", json!([]), "`codecs` is []");
    refused("/codecs", json!([7]), "`codecs[0].name` is missing");
    refused(&format!("{inner}/chunk_shape/0"), json!(3), &format!("`{field}.chunk_shape` is [3,32,64]"));
    refused(&format!("{inner}/chunk_shape/0"), json!(0), &format!("`{field}.chunk_shape` is [0,32,64]"));
    refused(
        &format!("{inner}/index_location"),
        json!("middle"),
        &format!("`{field}.index_location` is \"middle\""),
    );
    refused(&format!("{inner}/codecs"), json!([]), &format!("`{chain}` is []"));
    refused(
        &format!("{inner}/codecs/0"),
        json!("bytes"),
        &format!("`{chain}[0].configuration.endian` is missing"),
    );
    let blosc = format!("{inner}/codecs/1/configuration");
    for (key, bad) in [("clevel", "10"), ("clevel", "-1"), ("shuffle", "1"), ("blocksize", "-1")] {
        let message = format!("`{chain}[1].configuration.{key}` is {bad}");
        refused(&format!("{blosc}/{key}"), serde_json::from_str(bad).unwrap(), &message);
    }
}

#[test]
fn extensions_that_must_be_understood_and_cut_files_are_refused() {
    let mut value = array(DType::U8, Codec::None).to_json();
    value["extra"] = json!({ "name": "x" });
    assert!(parse(&value).unwrap_err().starts_with("`extra` is \"x\""));
    value["extra"] = json!({ "must_understand": false });
    value["storage_transformers"] = json!(["x"]);
    assert!(parse(&value).unwrap_err().starts_with("`storage_transformers` is [\"x\"]"));
    let bytes = array(DType::U8, Codec::None).to_bytes();
    for len in 0..bytes.len() - 1 {
        assert!(
            Array::parse(&bytes[..len]).unwrap_err().to_string().starts_with("zarr.json is no JSON"),
            "{len}"
        );
    }
}
