//! How the levels of an image were made, in words and as parameters: `type` and `metadata`.

use plan::Reducer;
use serde_json::{Map, Value, json};

/// How each level was made from the one above.
#[derive(Clone, Debug, PartialEq)]
pub struct Downsampling {
    /// Name of the method, field `type`.
    pub method: String,
    /// More about it, field `metadata`: the specification leaves open what.
    pub metadata: Map<String, Value>,
}

impl Downsampling {
    /// What forebay does: `reducer` makes one element of two along each of `dims`, and then another one may do so along a
    /// dimension of its own. The names are in storage order.
    #[must_use]
    pub fn new(reducer: Reducer, dims: &[&str], then: Option<(&str, Reducer)>) -> Downsampling {
        let mut parameters = json!({ "reducer": reducer.name(), "dims": dims });
        let (mut method, mut does) = (reducer.to_string(), does(reducer, dims));
        if let Some((dim, last)) = then {
            method += &format!(", then {last} along {dim}");
            does += &format!(", then {}", self::does(last, &[dim]));
            parameters["then"] = json!({ "reducer": last.name(), "dims": [dim] });
        }
        let description = format!(
            "each level is made from the stored one above: {does}; at an odd edge the last stays alone"
        );
        // The names are those of the specification's example.
        let metadata = json!({
            "description": description, "method": "forebay", "version": VERSION, "kwargs": parameters,
        });
        Downsampling { method, metadata: metadata.as_object().cloned().unwrap_or_default() }
    }

    /// What an image of anybody says, if it does.
    pub(super) fn parse(image: &Value) -> Option<Downsampling> {
        let method = image["type"].as_str()?.to_owned();
        Some(Downsampling { method, metadata: image["metadata"].as_object().cloned().unwrap_or_default() })
    }
}

fn does(reducer: Reducer, dims: &[&str]) -> String {
    format!("two neighbours along {} become one by {reducer}", dims.join(" and "))
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_window_is_named_by_its_reducer() {
        let made = Downsampling::new(Reducer::SecondLargest, &["y", "x"], None);
        assert_eq!(made.method, "second-largest");
        assert_eq!(made.metadata["method"], "forebay");
        assert_eq!(made.metadata["kwargs"], json!({ "reducer": "second-largest", "dims": ["y", "x"] }));
        let said = made.metadata["description"].as_str().unwrap();
        assert!(said.contains("along y and x become one by second-largest;"), "{said}");
    }

    #[test]
    fn a_reducer_for_one_dimension_is_named_too() {
        let made = Downsampling::new(Reducer::Mean, &["y", "x"], Some(("t", Reducer::Max)));
        assert_eq!(made.method, "mean, then max along t");
        let then = json!({ "reducer": "max", "dims": ["t"] });
        assert_eq!(made.metadata["kwargs"], json!({ "reducer": "mean", "dims": ["y", "x"], "then": then }));
        let said = made.metadata["description"].as_str().unwrap();
        assert!(said.contains("by mean, then two neighbours along t become one by max;"), "{said}");
    }

    #[test]
    fn what_others_say_is_read() {
        let image = json!({ "type": "gaussian", "metadata": { "args": "[true]" } });
        let read = Downsampling::parse(&image).unwrap();
        assert_eq!((read.method.as_str(), &read.metadata["args"]), ("gaussian", &json!("[true]")));
        assert_eq!(Downsampling::parse(&json!({ "type": null, "metadata": {} })), None);
    }
}
