//! A JSON value that knows where it stands, so that an error can say it.

use serde_json::{Map, Value};

use crate::Error;

/// A value and its place in the document.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    pub(crate) fn root(path: &str, value: &'a Value) -> Field<'a> {
        Field { path: path.to_owned(), value }
    }

    /// Member of an object, where there is one.
    pub(crate) fn find(&self, key: &str) -> Option<Field<'a>> {
        Some(Field { path: self.below(key), value: self.value.get(key)? })
    }

    /// Member of an object.
    pub(crate) fn get(&self, key: &str) -> Result<Field<'a>, Error> {
        self.find(key).ok_or_else(|| Error::Missing { field: self.below(key) })
    }

    /// Name of an extension point; a bare string stands for an object that has only a name.
    pub(crate) fn name(&self) -> Result<&'a str, Error> {
        if self.value.is_string() { self.text() } else { self.get("name")?.text() }
    }

    /// Parameter of an extension point, where it is given.
    pub(crate) fn find_setting(&self, key: &str) -> Option<Field<'a>> {
        self.find("configuration")?.find(key)
    }

    /// Parameter of an extension point.
    pub(crate) fn setting(&self, key: &str) -> Result<Field<'a>, Error> {
        let field = || self.below(&format!("configuration.{key}"));
        self.find_setting(key).ok_or_else(|| Error::Missing { field: field() })
    }

    /// Elements of a list.
    pub(crate) fn items(&self) -> Result<Vec<Field<'a>>, Error> {
        let list = self.value.as_array().ok_or_else(|| self.invalid("give a list"))?;
        let place = |(i, value)| Field { path: format!("{}[{i}]", self.path), value };
        Ok(list.iter().enumerate().map(place).collect())
    }

    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    pub(crate) fn object(&self) -> Result<&'a Map<String, Value>, Error> {
        self.value.as_object().ok_or_else(|| self.invalid("give an object"))
    }

    pub(crate) fn text(&self) -> Result<&'a str, Error> {
        self.value.as_str().ok_or_else(|| self.invalid("give a string"))
    }

    pub(crate) fn whole(&self) -> Result<u64, Error> {
        self.value.as_u64().ok_or_else(|| self.invalid("give a whole number, 0 or more"))
    }

    /// A whole number of a narrower type.
    pub(crate) fn narrow<T: TryFrom<i64>>(&self, remedy: &'static str) -> Result<T, Error> {
        self.value.as_i64().and_then(|n| T::try_from(n).ok()).ok_or_else(|| self.invalid(remedy))
    }

    pub(crate) fn wholes(&self) -> Result<Vec<u64>, Error> {
        self.items()?.iter().map(Field::whole).collect()
    }

    pub(crate) fn number(&self) -> Result<f64, Error> {
        self.value.as_f64().ok_or_else(|| self.invalid("give a number"))
    }

    /// Refuses every value but the one named in the remedy.
    pub(crate) fn must_be(&self, want: &Value, remedy: &'static str) -> Result<(), Error> {
        if self.value == want { Ok(()) } else { Err(self.unsupported(remedy)) }
    }

    /// Refuses members that are not `known`, unless they say that a reader need not understand them.
    pub(crate) fn refuse_unknown(&self, known: &[&str]) -> Result<(), Error> {
        let optional = |v: &Value| v.get("must_understand") == Some(&Value::Bool(false));
        let unknown = |(key, value): &(&String, &Value)| !known.contains(&key.as_str()) && !optional(value);
        match self.object()?.iter().find(unknown) {
            None => Ok(()),
            Some((key, value)) => Err(Field { path: self.below(key), value }
                .unsupported("only extensions marked `\"must_understand\": false` may be passed over")),
        }
    }

    pub(crate) fn invalid(&self, remedy: &'static str) -> Error {
        Error::Invalid { field: self.path.clone(), value: self.shown(), remedy }
    }

    pub(crate) fn unsupported(&self, remedy: &'static str) -> Error {
        Error::Unsupported { field: self.path.clone(), value: self.shown(), remedy }
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value, or only the name of an extension point: its parameters are not what an error is about.
    fn shown(&self) -> String {
        self.value.get("name").unwrap_or(self.value).to_string()
    }
}

/// Reads a document.
pub(crate) fn document(bytes: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(bytes).map_err(Error::Json)
}

/// A document as forebay writes it: indented, with a newline at the end.
pub(crate) fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

/// The fields that every node has.
pub(crate) fn check_node(root: &Field<'_>, kind: &'static str, remedy: &'static str) -> Result<(), Error> {
    root.get("zarr_format")?.must_be(&3.into(), "it reads Zarr format 3")?;
    root.get("node_type")?.must_be(&kind.into(), remedy)
}
