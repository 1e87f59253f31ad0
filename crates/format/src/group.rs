//! `zarr.json` of a group (Zarr v3 core specification, "Group metadata").

use serde_json::{Map, Value, json};

use crate::Error;
use crate::json::{self, Field};

/// Metadata of one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// Attributes; OME-Zarr keeps its metadata below `ome`.
    pub attributes: Map<String, Value>,
}

impl Group {
    /// Group with OME-Zarr metadata, as [`crate::Multiscales::to_json`] makes them.
    #[must_use]
    pub fn ome(metadata: Value) -> Group {
        Group { attributes: Map::from_iter([("ome".to_owned(), metadata)]) }
    }

    /// The document, keys in the order of the specification.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "zarr_format": 3, "node_type": "group", "attributes": self.attributes })
    }

    /// The document as `zarr.json` holds it: indented, with a newline at the end.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json::pretty(&self.to_json())
    }

    /// Reads a document of any writer. Consolidated metadata are passed over.
    ///
    /// # Errors
    /// The document is broken, describes no group, or has an extension that must be understood.
    pub fn parse(bytes: &[u8]) -> Result<Group, Error> {
        let document = json::document(bytes)?;
        let root = Field::root("", &document);
        json::check_node(&root, "group", "give the zarr.json of a group")?;
        root.refuse_unknown(&["zarr_format", "node_type", "attributes", "consolidated_metadata"])?;
        let attributes = root.find("attributes").map_or(Ok(Map::new()), |a| a.object().cloned())?;
        Ok(Group { attributes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_this_text_and_is_read_back() {
        let group = Group::ome(json!({ "version": "0.5" }));
        let text = "\
{
  \"zarr_format\": 3,
  \"node_type\": \"group\",
  \"attributes\": {
    \"ome\": {
      \"version\": \"0.5\"
    }
  }
}
";
        assert_eq!(String::from_utf8(group.to_bytes()).unwrap(), text);
        assert_eq!(Group::parse(text.as_bytes()).unwrap(), group);
    }

    #[test]
    fn groups_of_others_are_read_and_other_nodes_refused() {
        let parse = |v: Value| Group::parse(v.to_string().as_bytes()).map_err(|e| e.to_string());
        let bare = json!({ "zarr_format": 3, "node_type": "group", "consolidated_metadata": null });
        assert_eq!(parse(bare), Ok(Group::default()));
        let refused = |v: Value, word: &str| {
            let said = parse(v).unwrap_err();
            assert!(said.contains(word), "{said}");
        };
        refused(json!({ "zarr_format": 2, "node_type": "group" }), "`zarr_format` is 2");
        refused(json!({ "zarr_format": 3, "node_type": "array" }), "`node_type` is \"array\"");
        refused(json!({ "zarr_format": 3 }), "`node_type` is missing");
        refused(json!({ "zarr_format": 3, "node_type": "group", "attributes": 1 }), "`attributes` is 1");
        refused(json!({ "zarr_format": 3, "node_type": "group", "x": {} }), "`x` is {}");
    }
}
