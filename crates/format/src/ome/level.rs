//! The resolutions of an image: where the elements of each stand.

use serde_json::{Value, json};

use crate::Error;
use crate::json::Field;

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

/// Where the elements of a level stand along one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spacing {
    /// Spacing of the finest level, in the axis' unit.
    pub base: f64,
    /// How often two neighbours became one.
    pub halvings: u32,
    /// Whether an element stands for all of its window, and so lies in the window's middle; otherwise where the window
    /// begins.
    pub centred: bool,
}

impl Spacing {
    /// Twice as much for each halving, exactly. Sizes have no say in it: at an odd edge a window is cut, not stretched.
    #[must_use]
    pub fn scale(self) -> f64 {
        self.base * self.window()
    }

    /// Place of the first element: the mean of those of the finest level that it stands for, the first of which is at 0.
    #[must_use]
    pub fn translation(self) -> f64 {
        if self.centred { (self.window() - 1.0) / 2.0 * self.base } else { 0.0 }
    }

    /// Elements of the finest level along a window.
    fn window(self) -> f64 {
        (0..self.halvings).fold(1.0, |window, _| window * 2.0)
    }
}

impl Level {
    /// The level whose elements stand so along each axis; where the first ones all stand at 0, nothing says so.
    #[must_use]
    pub fn spaced(path: impl Into<String>, axes: &[Spacing]) -> Level {
        let places: Vec<_> = axes.iter().map(|a| a.translation()).collect();
        let translation = places.iter().any(|p| *p != 0.0).then_some(places);
        Level { path: path.into(), scale: axes.iter().map(|a| a.scale()).collect(), translation }
    }

    pub(super) fn check(&self, rank: usize) -> Result<(), Error> {
        let check = |what: &str, numbers: &[f64], good: fn(&f64) -> bool, remedy| {
            if numbers.len() == rank && numbers.iter().all(good) {
                return Ok(());
            }
            let field = format!("{what} of level {}", self.path);
            Err(Error::Invalid { field, value: format!("{numbers:?}"), remedy })
        };
        let good = |s: &f64| s.is_finite() && *s > 0.0;
        check("scale", &self.scale, good, "give a finite number above 0 for each axis")?;
        let translation = self.translation.as_deref();
        translation.map_or(Ok(()), |t| {
            check("translation", t, |x| x.is_finite(), "give a finite number for each axis")
        })
    }

    pub(super) fn to_json(&self) -> Value {
        let mut transformations = vec![json!({ "type": "scale", "scale": self.scale })];
        if let Some(translation) = &self.translation {
            transformations.push(json!({ "type": "translation", "translation": translation }));
        }
        json!({ "path": self.path, "coordinateTransformations": transformations })
    }

    /// A level's own transformations, then those that the image has for all its levels, made one.
    pub(super) fn parse(dataset: &Field<'_>, common: &[Field<'_>], rank: usize) -> Result<Level, Error> {
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
}

fn numbers(step: &Field<'_>, key: &str, rank: usize) -> Result<Vec<f64>, Error> {
    let list = step.get(key)?;
    let numbers = list.items()?.iter().map(Field::number).collect::<Result<Vec<_>, _>>()?;
    if numbers.len() == rank { Ok(numbers) } else { Err(list.invalid("give one number for each axis")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn spacing(base: f64, halvings: u32, centred: bool) -> Spacing {
        Spacing { base, halvings, centred }
    }

    #[test]
    fn scales_double_exactly_and_centres_move_by_half_a_window() {
        let check = |base, halvings, scale: f64, centre: f64| {
            let (mean, first) = (spacing(base, halvings, true), spacing(base, halvings, false));
            assert_eq!((mean.scale(), mean.translation()), (scale, centre), "{base} {halvings}");
            assert_eq!((first.scale(), first.translation()), (scale, 0.0), "{base} {halvings}");
        };
        check(1.0, 0, 1.0, 0.0);
        check(1.0, 1, 2.0, 0.5);
        check(1.0, 2, 4.0, 1.5);
        check(0.5, 3, 4.0, 1.75);
        check(0.65, 1, 1.3, 0.325);
        check(0.65, 4, 10.4, 4.875);
        check(0.125, 10, 128.0, 63.9375);
        check(2.0, 63, 18_446_744_073_709_551_616.0, 9_223_372_036_854_775_807.0);
    }

    #[test]
    fn each_axis_has_its_own_number_of_halvings() {
        let mean = |halvings: u32| [spacing(0.5, halvings.min(1), true), spacing(0.25, halvings, true)];
        let level = |scale: [f64; 2], translation: Option<[f64; 2]>| Level {
            path: "p".to_owned(),
            scale: scale.to_vec(),
            translation: translation.map(|t| t.to_vec()),
        };
        assert_eq!(Level::spaced("p", &mean(0)), level([0.5, 0.25], None));
        assert_eq!(Level::spaced("p", &mean(1)), level([1.0, 0.5], Some([0.25, 0.125])));
        assert_eq!(Level::spaced("p", &mean(3)), level([1.0, 2.0], Some([0.25, 0.875])));
        let mixed = [spacing(2.0, 2, false), spacing(0.25, 2, true)];
        assert_eq!(Level::spaced("p", &mixed), level([8.0, 1.0], Some([0.0, 0.375])));
        let first = [spacing(2.0, 2, false), spacing(0.25, 1, false)];
        assert_eq!(Level::spaced("p", &first), level([8.0, 0.5], None));
    }

    /// Where element `i` of a level stands, as a reader works it out.
    fn place(spacing: Spacing, i: u64) -> f64 {
        let level = Level::spaced("p", &[spacing]);
        i as f64 * level.scale[0] + level.translation.map_or(0.0, |t| t[0])
    }

    /// Levels of an axis of `size` elements: each element of a whole window stands in the middle of the elements that it
    /// was made from, or on the first of them, so that a place in space is the same place in every level.
    fn check_places(base: f64, size: u64, centred: bool) {
        let mut above = size;
        for level in 1..=6 {
            let (coarse, fine) = (spacing(base, level, centred), spacing(base, level - 1, centred));
            for i in 0..above / 2 {
                let window = [2 * i, 2 * i + 1].map(|j| place(fine, j));
                let want = if centred { window.iter().sum::<f64>() / 2.0 } else { window[0] };
                let slip = (place(coarse, i) - want).abs();
                assert!(slip <= 4.0 * f64::EPSILON * want.abs(), "level {level}, {i} of {size}: {slip:e}");
            }
            above = above.div_ceil(2);
        }
    }

    #[test]
    fn a_place_in_space_is_the_same_place_in_every_level() {
        for (base, size) in [(1.0, 64), (0.25, 100), (0.65, 37), (0.1, 1), (3.3, 7), (1e-9, 1023)] {
            check_places(base, size, true);
            check_places(base, size, false);
        }
    }

    /// Over several levels at once, and from the other end: by the elements of the finest level.
    #[test]
    fn an_element_stands_in_the_middle_of_the_finest_elements_that_it_was_made_from() {
        let fine = |j: u64| place(spacing(0.75, 0, true), j);
        for level in 0..8 {
            let window = 1 << level;
            for i in 0..1000 / window {
                let middle = (i * window..(i + 1) * window).map(fine).sum::<f64>() / window as f64;
                assert_eq!(place(spacing(0.75, level, true), i), middle, "level {level}, {i}");
                assert_eq!(place(spacing(0.75, level, false), i), fine(i * window), "level {level}, {i}");
            }
        }
    }
}
