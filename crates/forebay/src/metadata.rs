//! The documents of a store: written before the first frame, replaced as shards are finished.

use std::sync::{Arc, Mutex, PoisonError};

use format::{Axis, Channel, Downsampling, Group, Level, Multiscales, Spacing};
use plan::{Config, Plan};
use serde_json::{Map, Value, json};
use store::Store;

use crate::Error;
use crate::channels::Ranges;

/// Documents of one run.
pub(crate) struct Metadata {
    plan: Arc<Plan>,
    store: Arc<dyn Store>,
    /// A plain array: no image is described.
    plain: bool,
    /// The array stands at the root: it is plain, and no levels were asked for.
    alone: bool,
    name: String,
    /// As they are described until something else is known of them.
    channels: Vec<Channel>,
    attributes: Map<String, Value>,
    /// The codec that was asked for, where the arrays do not say it.
    request: Option<String>,
    /// What the document of each level's array says, where it is written: slices of dimension 0, and whether the run is
    /// complete.
    said: Mutex<Vec<Option<(u64, bool)>>>,
}

impl Metadata {
    pub(crate) fn new(
        plan: Arc<Plan>,
        store: Arc<dyn Store>,
        config: &Config,
        name: String,
        attributes: Map<String, Value>,
    ) -> Result<Metadata, Error> {
        if let Some(taken) = ["ome", "forebay"].into_iter().find(|k| attributes.contains_key(*k)) {
            return Err(Error::Attribute(taken.to_owned()));
        }
        let (plain, alone) = (config.plain, config.is_alone());
        let (channels, said) = (Vec::new(), Mutex::new(vec![None; plan.levels()]));
        Ok(Metadata { plan, store, plain, alone, name, channels, attributes, request: None, said })
    }

    /// The same documents, which say what codec was asked for.
    pub(crate) fn with_request(self, request: Option<String>) -> Metadata {
        Metadata { request, ..self }
    }

    /// The same documents, which describe these channels.
    pub(crate) fn with_channels(self, channels: Vec<Channel>) -> Metadata {
        Metadata { channels, ..self }
    }

    /// The same documents, for another store.
    pub(crate) fn into_store(self, store: Arc<dyn Store>) -> Metadata {
        let said = Mutex::new(vec![None; self.plan.levels()]);
        Metadata { store, said, ..self }
    }

    /// Path of the array of each level: below a group, or, for a plain array by itself, the root.
    pub(crate) fn paths(&self) -> Vec<String> {
        if self.alone {
            return vec![String::new()];
        }
        (0..self.plan.levels()).map(|level| level.to_string()).collect()
    }

    /// Writes everything, with empty arrays.
    pub(crate) fn begin(&self) -> Result<(), Error> {
        if !self.alone {
            self.store.put("zarr.json", &self.group()?.to_bytes())?;
        }
        self.publish(&vec![0; self.plan.levels()], false)
    }

    /// Writes the image's document anew, with windows of what was seen.
    pub(crate) fn show(&self, ranges: &Ranges) -> Result<(), Error> {
        let group = self.group_with(ranges.apply(&self.channels))?;
        Ok(self.store.put("zarr.json", &group.to_bytes())?)
    }

    /// Writes the documents of the arrays that do not say so yet, each with so many slices of dimension 0. That of the array
    /// itself comes first, so that no level is ever longer than it, and when all is complete last: when it says so, the
    /// others do.
    pub(crate) fn publish(&self, extents: &[u64], complete: bool) -> Result<(), Error> {
        // A store may panic in a put. What it was to write counts as not written.
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let (paths, levels) = (self.paths(), extents.len());
        for at in 0..levels {
            let level = if complete { levels - 1 - at } else { at };
            let (path, extent) = (&paths[level], extents[level]);
            // Halved along dimension 0, a level grows less often than the array, and each document is made durable.
            if said[level] == Some((extent, complete)) {
                continue;
            }
            said[level] = None;
            let key = crate::hierarchy::below(path, "zarr.json");
            self.store.put(&key, &self.array(level, extent, complete).to_bytes())?;
            said[level] = Some((extent, complete));
        }
        Ok(())
    }

    fn array(&self, level: usize, extent: u64, complete: bool) -> format::Array {
        let plan = &self.plan;
        // A run that was cut off is visibly so: readers see the shape, people see this.
        let mut attributes = if self.alone { self.attributes.clone() } else { Map::new() };
        let mut about = json!({ "version": VERSION, "complete": complete });
        if let Some(request) = &self.request {
            about["requested_codec"] = json!(request);
        }
        attributes.insert("forebay".to_owned(), about);
        format::Array {
            shape: plan.shape(level, extent),
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

    /// The document of the group: an image, or, of a plain array with a pyramid, nothing but a group.
    pub(crate) fn group(&self) -> Result<Group, Error> {
        self.group_with(self.channels.clone())
    }

    fn group_with(&self, channels: Vec<Channel>) -> Result<Group, Error> {
        let broken =
            |e: format::Error| Error::Metadata { key: "zarr.json".to_owned(), message: e.to_string() };
        let mut attributes = Map::new();
        if !self.plain {
            attributes.insert("ome".to_owned(), self.image(channels).to_json().map_err(broken)?);
        }
        attributes.extend(self.attributes.clone());
        Ok(Group { attributes })
    }

    fn image(&self, channels: Vec<Channel>) -> Multiscales {
        let axis = |d: &plan::Dim| Axis { name: d.name.clone(), kind: d.axis_kind(), unit: d.unit.clone() };
        let levels = self.paths().into_iter().enumerate();
        Multiscales {
            name: Some(self.name.clone()),
            axes: self.plan.stored_dims().map(axis).collect(),
            levels: levels.map(|(level, path)| Level::spaced(path, &self.spacings(level))).collect(),
            downsampling: self.downsampling(),
            channels,
        }
    }

    /// Where the elements of a level stand, in storage order.
    fn spacings(&self, level: usize) -> Vec<Spacing> {
        let spacing = |&d: &usize| {
            let base = self.plan.dims[d].scale.unwrap_or(1.0);
            Spacing { base, halvings: self.plan.halvings_of(level, d), centred: self.plan.is_centred(d) }
        };
        self.plan.order.positions.iter().map(spacing).collect()
    }

    /// How the coarser levels are made.
    fn downsampling(&self) -> Option<Downsampling> {
        let first = self.plan.coarser.first()?.reduction.reducer;
        let frames = self.plan.grid.append - 1;
        let own = self.plan.append_reducer();
        let dims = self.plan.halved().filter(|&d| own.is_none() || d != frames);
        let dims: Vec<_> = dims.map(|d| self.plan.dims[d].name.as_str()).collect();
        let frames = self.plan.dims[frames].name.as_str();
        Some(match own {
            // Nothing else is halved: the other reducer has nothing to do.
            Some(reducer) if dims.is_empty() => Downsampling::new(reducer, &[frames], None),
            own => Downsampling::new(first, &dims, own.map(|reducer| (frames, reducer))),
        })
    }
}

/// Version of forebay, for the store's attributes.
const VERSION: &str = env!("CARGO_PKG_VERSION");
