//! The documents of a store: written before the first frame, replaced as shards are finished.

use std::sync::Arc;

use format::{Axis, Group, Level, Multiscales};
use plan::Plan;
use serde_json::{Map, Value, json};
use store::Store;

use crate::Error;

/// Documents of one run.
pub(crate) struct Metadata {
    plan: Arc<Plan>,
    store: Arc<dyn Store>,
    /// Path of the array: `0` below an image group, empty for a plain array.
    path: &'static str,
    name: String,
    attributes: Map<String, Value>,
    /// The codec that was asked for, where another one is carried out.
    request: Option<String>,
}

impl Metadata {
    pub(crate) fn new(
        plan: Arc<Plan>,
        store: Arc<dyn Store>,
        plain: bool,
        name: String,
        attributes: Map<String, Value>,
    ) -> Result<Metadata, Error> {
        if let Some(taken) = ["ome", "forebay"].into_iter().find(|k| attributes.contains_key(*k)) {
            return Err(Error::Attribute(taken.to_owned()));
        }
        let path = if plain { "" } else { "0" };
        Ok(Metadata { plan, store, path, name, attributes, request: None })
    }

    /// The same documents, which say what codec was asked for.
    pub(crate) fn with_request(self, request: Option<String>) -> Metadata {
        Metadata { request, ..self }
    }

    /// The same documents, for another store.
    pub(crate) fn into_store(self, store: Arc<dyn Store>) -> Metadata {
        Metadata { store, ..self }
    }

    pub(crate) fn path(&self) -> &'static str {
        self.path
    }

    /// Writes everything, with an empty array.
    pub(crate) fn begin(&self) -> Result<(), Error> {
        if !self.path.is_empty() {
            self.store.put("zarr.json", &self.group()?.to_bytes())?;
        }
        self.publish(0, false)
    }

    /// Writes the array's document with `extent` slices of dimension 0.
    pub(crate) fn publish(&self, extent: u64, complete: bool) -> Result<(), Error> {
        let key =
            if self.path.is_empty() { "zarr.json".to_owned() } else { format!("{}/zarr.json", self.path) };
        Ok(self.store.put(&key, &self.array(extent, complete).to_bytes())?)
    }

    fn array(&self, extent: u64, complete: bool) -> format::Array {
        let plan = &self.plan;
        // A run that was cut off is visibly so: readers see the shape, people see this.
        let mut attributes = if self.path.is_empty() { self.attributes.clone() } else { Map::new() };
        let mut about = json!({ "version": VERSION, "complete": complete });
        if let Some(request) = &self.request {
            about["requested_codec"] = json!(request);
        }
        attributes.insert("forebay".to_owned(), about);
        format::Array {
            shape: plan.shape(extent),
            shard_shape: plan.shard_shape(),
            chunk_shape: plan.chunk_shape(),
            dtype: plan.dtype,
            fill: plan.fill,
            codec: plan.codec,
            crc32c: plan.crc32c,
            blosc_block: None,
            index: format::IndexLocation::End,
            separator: format::Separator::Slash,
            dimension_names: plan.stored_dims().map(|d| d.name.clone()).collect(),
            attributes,
        }
    }

    /// The document of the image.
    pub(crate) fn group(&self) -> Result<Group, Error> {
        let axis = |d: &plan::Dim| Axis { name: d.name.clone(), kind: d.axis_kind(), unit: d.unit.clone() };
        let scale = self.plan.stored_dims().map(|d| d.scale.unwrap_or(1.0)).collect();
        let image = Multiscales {
            name: Some(self.name.clone()),
            axes: self.plan.stored_dims().map(axis).collect(),
            levels: vec![Level { path: self.path.to_owned(), scale, translation: None }],
            downsampling: None,
            channels: vec![],
        };
        let broken =
            |e: format::Error| Error::Metadata { key: "zarr.json".to_owned(), message: e.to_string() };
        let mut attributes = Map::new();
        attributes.insert("ome".to_owned(), image.to_json().map_err(broken)?);
        attributes.extend(self.attributes.clone());
        Ok(Group { attributes })
    }
}

/// Version of forebay, for the store's attributes.
const VERSION: &str = env!("CARGO_PKG_VERSION");
