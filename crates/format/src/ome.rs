//! OME-Zarr 0.5 metadata of an image (OME-NGFF 0.5, "multiscales").

use serde_json::{Value, json};

use crate::Error;
use crate::json::Field;

pub use plan::Kind as AxisKind;

const VERSION: &str = "0.5";

/// One axis of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Name, unique in the image.
    pub name: String,
    /// What it measures; other kinds are written without a type.
    pub kind: AxisKind,
    /// Unit, a UDUNITS-2 name (`micrometer`, `second`).
    pub unit: Option<String>,
}

/// One resolution of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Path of its array below the group.
    pub path: String,
    /// Spacing of elements along each axis, in the axis' unit.
    pub scale: Vec<f64>,
    /// Place of the first element along each axis, in the axis' unit.
    pub translation: Option<Vec<f64>>,
}

/// An image, as a group describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Multiscales {
    /// Name of the image.
    pub name: Option<String>,
    /// Axes in storage order.
    pub axes: Vec<Axis>,
    /// Resolutions, the finest first.
    pub levels: Vec<Level>,
}

/// Metadata of one image, the value of the group's attribute `ome`.
///
/// An empty name is left out. That kinds of axes stand in OME-Zarr's order is checked by `plan::Axes::check`.
///
/// # Errors
/// There is no level, a level has not one number for each axis, a number is not finite, or a scale not above 0.
pub fn multiscales(name: &str, axes: &[Axis], levels: &[Level]) -> Result<Value, Error> {
    if levels.is_empty() {
        let remedy = "give one level at least";
        return Err(Error::Invalid { field: "datasets".to_owned(), value: "[]".to_owned(), remedy });
    }
    levels.iter().try_for_each(|level| check_level(level, axes.len()))?;
    let mut image = serde_json::Map::new();
    if !name.is_empty() {
        image.insert("name".to_owned(), name.into());
    }
    image.insert("axes".to_owned(), axes.iter().map(axis_json).collect());
    image.insert("datasets".to_owned(), levels.iter().map(level_json).collect());
    Ok(json!({ "version": VERSION, "multiscales": [image] }))
}

fn check_level(level: &Level, rank: usize) -> Result<(), Error> {
    let check = |what: &str, numbers: &[f64], good: fn(&f64) -> bool, remedy| {
        if numbers.len() == rank && numbers.iter().all(good) {
            return Ok(());
        }
        let field = format!("{what} of level {}", level.path);
        Err(Error::Invalid { field, value: format!("{numbers:?}"), remedy })
    };
    let good = |s: &f64| s.is_finite() && *s > 0.0;
    check("scale", &level.scale, good, "give a finite number above 0 for each axis")?;
    let translation = level.translation.as_deref();
    translation
        .map_or(Ok(()), |t| check("translation", t, |x| x.is_finite(), "give a finite number for each axis"))
}

fn axis_json(axis: &Axis) -> Value {
    let mut value = json!({ "name": axis.name });
    if let Some(kind) = kind_name(axis.kind) {
        value["type"] = kind.into();
    }
    if let Some(unit) = &axis.unit {
        value["unit"] = unit.as_str().into();
    }
    value
}

const fn kind_name(kind: AxisKind) -> Option<&'static str> {
    match kind {
        AxisKind::Time => Some("time"),
        AxisKind::Channel => Some("channel"),
        AxisKind::Space => Some("space"),
        AxisKind::Other => None,
    }
}

fn level_json(level: &Level) -> Value {
    let mut transformations = vec![json!({ "type": "scale", "scale": level.scale })];
    if let Some(translation) = &level.translation {
        transformations.push(json!({ "type": "translation", "translation": translation }));
    }
    json!({ "path": level.path, "coordinateTransformations": transformations })
}

impl Multiscales {
    /// Reads the value of a group's attribute `ome`; of several images the first.
    ///
    /// # Errors
    /// The metadata are broken, of another version than 0.5, or describe no image.
    pub fn parse(ome: &Value) -> Result<Multiscales, Error> {
        let root = Field::root("ome", ome);
        root.get("version")?.must_be(&VERSION.into(), "it reads OME-Zarr 0.5")?;
        let images = root.get("multiscales")?;
        let image =
            images.items()?.into_iter().next().ok_or_else(|| images.invalid("give one image at least"))?;
        let axes = image.get("axes")?.items()?.iter().map(parse_axis).collect::<Result<Vec<_>, _>>()?;
        let common = image.find("coordinateTransformations").map_or(Ok(vec![]), |c| c.items())?;
        let level = |dataset: &Field<'_>| parse_level(dataset, &common, axes.len());
        let levels = image.get("datasets")?.items()?.iter().map(level).collect::<Result<_, _>>()?;
        let name = image.find("name").map(|n| n.text().map(str::to_owned)).transpose()?;
        Ok(Multiscales { name, axes, levels })
    }
}

fn parse_axis(axis: &Field<'_>) -> Result<Axis, Error> {
    let kind = match axis.find("type").map(|t| t.text()).transpose()? {
        Some("time") => AxisKind::Time,
        Some("channel") => AxisKind::Channel,
        Some("space") => AxisKind::Space,
        _ => AxisKind::Other,
    };
    let unit = axis.find("unit").map(|u| u.text().map(str::to_owned)).transpose()?;
    Ok(Axis { name: axis.get("name")?.text()?.to_owned(), kind, unit })
}

/// A level's own transformations, then those that the image has for all its levels, made one.
fn parse_level(dataset: &Field<'_>, common: &[Field<'_>], rank: usize) -> Result<Level, Error> {
    let (mut scale, mut translation) = (vec![1.0; rank], None);
    for step in dataset.get("coordinateTransformations")?.items()?.iter().chain(common) {
        let kind = step.get("type")?;
        match kind.text()? {
            "identity" => {}
            "scale" => {
                let by = numbers(step, "scale", rank)?;
                let placed = translation.iter_mut().flat_map(|t: &mut Vec<f64>| t.iter_mut().zip(&by));
                scale.iter_mut().zip(&by).chain(placed).for_each(|(x, by)| *x *= by);
            }
            "translation" => {
                let by = numbers(step, "translation", rank)?;
                let places = translation.get_or_insert_with(|| vec![0.0; rank]);
                places.iter_mut().zip(&by).for_each(|(x, by)| *x += by);
            }
            _ => return Err(kind.unsupported("it reads scale and translation")),
        }
    }
    Ok(Level { path: dataset.get("path")?.text()?.to_owned(), scale, translation })
}

fn numbers(step: &Field<'_>, key: &str, rank: usize) -> Result<Vec<f64>, Error> {
    let list = step.get(key)?;
    let numbers = list.items()?.iter().map(Field::number).collect::<Result<Vec<_>, _>>()?;
    if numbers.len() == rank { Ok(numbers) } else { Err(list.invalid("give one number for each axis")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(name: &str, kind: AxisKind, unit: Option<&str>) -> Axis {
        Axis { name: name.to_owned(), kind, unit: unit.map(str::to_owned) }
    }

    fn level(path: &str, scale: &[f64], translation: Option<&[f64]>) -> Level {
        Level { path: path.to_owned(), scale: scale.to_vec(), translation: translation.map(<[f64]>::to_vec) }
    }

    fn axes() -> Vec<Axis> {
        vec![
            axis("t", AxisKind::Time, Some("second")),
            axis("q", AxisKind::Other, None),
            axis("y", AxisKind::Space, Some("micrometer")),
            axis("x", AxisKind::Space, None),
        ]
    }

    #[test]
    fn an_image_has_this_json_and_is_read_back() {
        let levels = [
            level("0", &[1.0, 1.0, 0.1, 0.5], None),
            level("1", &[1.0, 1.0, 0.2, 1.0], Some(&[0.0, 0.0, 0.05, 0.25])),
        ];
        let json = multiscales("cells", &axes(), &levels).unwrap();
        let want = r#"{"version":"0.5","multiscales":[{"name":"cells","axes":[{"name":"t","type":"time","unit":"second"},{"name":"q"},{"name":"y","type":"space","unit":"micrometer"},{"name":"x","type":"space"}],"datasets":[{"path":"0","coordinateTransformations":[{"type":"scale","scale":[1.0,1.0,0.1,0.5]}]},{"path":"1","coordinateTransformations":[{"type":"scale","scale":[1.0,1.0,0.2,1.0]},{"type":"translation","translation":[0.0,0.0,0.05,0.25]}]}]}]}"#;
        assert_eq!(json.to_string(), want);
        let back = Multiscales::parse(&serde_json::from_str(want).unwrap()).unwrap();
        assert_eq!(
            back,
            Multiscales { name: Some("cells".to_owned()), axes: axes(), levels: levels.to_vec() }
        );
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        let refused = |levels: &[Level], word: &str| {
            let said = multiscales("a", &axes(), levels).unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        };
        refused(&[], "datasets");
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            refused(&[level("3", &[1.0, 1.0, bad, 1.0], None)], "scale of level 3");
        }
        refused(&[level("0", &[1.0], None)], "for each axis");
        refused(&[level("0", &[1.0; 4], Some(&[0.0, 0.0, 0.0, f64::NAN]))], "translation of level 0");
    }

    #[test]
    fn images_of_others_are_read() {
        let ome = json!({ "version": "0.5", "omero": {}, "multiscales": [{
            "type": "gaussian",
            "axes": [{ "name": "y", "type": "space" }, { "name": "x", "type": "wavelength" }],
            "datasets": [{ "path": "s0", "coordinateTransformations": [
                { "type": "scale", "scale": [2, 3] }, { "type": "translation", "translation": [1, 1] },
            ] }],
            "coordinateTransformations": [{ "type": "identity" }, { "type": "scale", "scale": [10.0, 0.5] }],
        }] });
        let image = Multiscales::parse(&ome).unwrap();
        assert_eq!(image.name, None);
        assert_eq!(image.axes[1].kind, AxisKind::Other);
        assert_eq!(image.levels, [level("s0", &[20.0, 1.5], Some(&[10.0, 0.5]))]);
    }

    #[test]
    fn metadata_that_are_no_image_are_refused_by_name() {
        let check = |ome: Value, word: &str| {
            let said = Multiscales::parse(&ome).unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        };
        check(json!({ "version": "0.4" }), "`ome.version` is \"0.4\"");
        check(json!({ "version": "0.5", "plate": {} }), "`ome.multiscales` is missing");
        check(json!({ "version": "0.5", "multiscales": [] }), "`ome.multiscales` is []");
        let image = |step: Value| {
            json!({ "version": "0.5", "multiscales": [{ "axes": [{ "name": "x" }], "datasets": [
                { "path": "0", "coordinateTransformations": [step] }] }] })
        };
        let place = "`ome.multiscales[0].datasets[0].coordinateTransformations[0].";
        check(image(json!({ "type": "affine" })), &format!("{place}type` is \"affine\""));
        check(image(json!({ "type": "scale", "scale": [1, 1] })), &format!("{place}scale` is [1,1]"));
    }
}
