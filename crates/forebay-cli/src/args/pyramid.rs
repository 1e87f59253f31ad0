//! `--pyramid yx:mean,t:max`: which dimensions coarser levels halve, and how.

use forebay::{Pyramid, Reducer, UnknownReducer};

/// What is asked of coarser levels.
#[derive(clap::Args)]
#[command(next_help_heading = "Pyramid")]
pub(crate) struct Asked {
    /// Write coarser levels as well, each half as large along these dimensions: yx, zyx:max, yx,t or yx:mean,t:max
    ///
    /// Dimensions of one letter are written together, others are joined with +: z+phase. Behind them the reducer, which
    /// makes one element of two along each of them: mean (where none is given), min, max, median, second-largest,
    /// second-smallest, mode (for labels) or decimate (the first one). The dimension along which data arrive may follow
    /// with a reducer of its own; it is applied to what the first one made.
    #[arg(long, value_name = "DIMS[:REDUCER]")]
    pyramid: Option<String>,

    /// Coarser levels at the most [default: until every halved dimension fits in one chunk]
    #[arg(long, value_name = "N", requires = "pyramid", allow_negative_numbers = true)]
    levels: Option<u32>,

    /// Make no more levels once one of the halved dimensions fits in a chunk, so that elements keep their shape
    #[arg(long, requires = "pyramid")]
    keep_aspect: bool,
}

impl Asked {
    /// The request, for an array of the dimensions `names`, in the order in which the data arrive.
    pub(crate) fn request(&self, names: &[&str]) -> Result<Option<Pyramid>, String> {
        let parsed = self.pyramid.as_deref().map(|text| parse(text, names)).transpose()?;
        Ok(parsed.map(|p| Pyramid { levels: self.levels, keep_aspect: self.keep_aspect, ..p }))
    }
}

/// Some dimensions, by position, and their reducer.
struct Group {
    dims: Vec<usize>,
    reducer: Reducer,
}

/// Reads `--pyramid` for an array of these dimensions, in the order in which the data arrive. Which of them can be halved
/// is left to the plan.
fn parse(text: &str, names: &[&str]) -> Result<Pyramid, String> {
    read(text, names).map_err(|fault| format!("--pyramid `{text}`: {fault}"))
}

fn read(text: &str, names: &[&str]) -> Result<Pyramid, String> {
    let groups = text.split(',').map(|g| group(g, names)).collect::<Result<Vec<_>, _>>()?;
    let (first, second) = match &groups[..] {
        [first] => (first, None),
        [first, second] => (first, Some(second)),
        _ => {
            return Err(format!("{} groups are given; give one or two, as in `yx:mean,t:max`", groups.len()));
        }
    };
    let mut dims: Vec<_> = groups.iter().flat_map(|g| g.dims.iter().copied()).collect();
    dims.sort_unstable();
    if let Some(twice) = dims.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("`{}` is named twice; name it once", names[twice[0]]));
    }
    let append = second.map_or(Ok(None), |second| own_reducer(first, second, names))?;
    let dims = dims.into_iter().map(|d| names[d].to_owned()).collect();
    Ok(Pyramid { dims, reducer: first.reducer, append, levels: None, keep_aspect: false })
}

/// Reducer of the second group, where it is another than the first's.
///
/// The plan applies it to the dimension that grows. Whatever grows arrives before what does not, so a dimension behind one
/// of the first group is not the one that is meant, or not the only one.
fn own_reducer(first: &Group, second: &Group, names: &[&str]) -> Result<Option<Reducer>, String> {
    let &[dim] = &second.dims[..] else {
        let remedy = "give only the one that frames follow one another along, as in `yx:mean,t:max`";
        return Err(format!("the second group names several dimensions; {remedy}"));
    };
    if second.reducer == first.reducer {
        return Ok(None);
    }
    let Some(&before) = first.dims.iter().find(|d| **d < dim) else {
        return Ok(Some(second.reducer));
    };
    let (dim, before) = (names[dim], names[before]);
    let remedy = "give a reducer of its own to the outermost of the halved dimensions, as in `yx:mean,t:max`";
    Err(format!("`{dim}`, in the second group, lies inside `{before}`; {remedy}"))
}

fn group(text: &str, names: &[&str]) -> Result<Group, String> {
    let (dims, reducer) = text.trim().split_once(':').unwrap_or((text.trim(), Reducer::Mean.name()));
    let reducer = reducer.parse().map_err(|e: UnknownReducer| e.to_string())?;
    let unknown = |name: String| {
        let fault = if name.is_empty() {
            "a name is missing".to_owned()
        } else {
            format!("`{name}` is no dimension")
        };
        let listed = names.join(", ");
        format!("{fault}; the dimensions are {listed}: write single letters together, join others with +")
    };
    Ok(Group { dims: spelled(dims, names).map_err(unknown)?, reducer })
}

/// Positions of the dimensions that a group spells, or what is none of them.
fn spelled(dims: &str, names: &[&str]) -> Result<Vec<usize>, String> {
    let find = |name: &str| names.iter().position(|n| *n == name).ok_or_else(|| name.to_owned());
    // A whole name goes first: an array may have a dimension `xy` beside `x` and `y`.
    match dims.split('+').map(find).collect() {
        Err(_) if !dims.is_empty() && !dims.contains('+') => letters(dims, names),
        found => found,
    }
}

fn letters(dims: &str, names: &[&str]) -> Result<Vec<usize>, String> {
    let is = |name: &str, letter: char| name.chars().eq([letter]);
    let find = |letter| names.iter().position(|name| is(name, letter));
    let found: Vec<_> = dims.chars().map(|letter| find(letter).ok_or(letter)).collect();
    // No letter alone is to blame where none of them is a dimension: a name was meant.
    let meant = !found.iter().any(Result::is_ok);
    found
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|letter| if meant { dims.to_owned() } else { letter.to_string() })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// Dimensions, reducer and append reducer that come of it, or the message.
    fn parsed(text: &str, names: &str) -> Result<String, String> {
        let pyramid = parse(text, &names.split(' ').collect::<Vec<_>>())?;
        assert_eq!((pyramid.levels, pyramid.keep_aspect), (None, false));
        let append = pyramid.append.map_or(String::new(), |r| format!(" {r}"));
        Ok(format!("{} {}{append}", pyramid.dims.join("+"), pyramid.reducer))
    }

    #[test]
    fn groups_are_read() {
        let check = |text: &str, names: &str, want: &str| {
            assert_eq!(parsed(text, names), Ok(want.to_owned()), "{text} of {names}");
        };
        check("yx", "t y x", "y+x mean");
        check("xy", "t y x", "y+x mean");
        check("yx:median", "t c y x", "y+x median");
        check("x", "t y x", "x mean");
        check("tyx:max", "t y x", "t+y+x max");
        check("yx:mean,t:max", "t y x", "t+y+x mean max");
        check("yx:mode, t:second-smallest", "t y x", "t+y+x mode second-smallest");
        check("yx:max,t", "t y x", "t+y+x max mean");
        check("yx,z:decimate", "t z y x", "z+y+x mean decimate");
        check("t:min", "t y x", "t min");
    }

    #[test]
    fn the_same_reducer_in_both_groups_is_one_window() {
        let check = |text: &str, want: &str| assert_eq!(parsed(text, "t y x"), Ok(want.to_owned()), "{text}");
        check("yx,t", "t+y+x mean");
        check("yx:max,t:max", "t+y+x max");
        // Nor does it matter then which dimension stands alone.
        check("t,y", "t+y mean");
    }

    #[test]
    fn names_of_several_letters_are_taken_whole() {
        let check = |text: &str, names: &str, want: &str| {
            assert_eq!(parsed(text, names), Ok(want.to_owned()), "{text} of {names}");
        };
        check("row+column:min", "time row column", "row+column min");
        check("y+x,time:max", "time y x", "time+y+x mean max");
        check("y+x", "t y x", "y+x mean");
        check("xy", "x y xy", "xy mean");
        check("yx", "x y xy", "x+y mean");
        check("\u{3b8}x", "t \u{3b8} x", "\u{3b8}+x mean");
        // A letter is no short form of a name.
        for text in ["rc", "ro", "time+r"] {
            assert!(parsed(text, "time row column").is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused_with_what_is() {
        let check = |text: &str, words: &[&str]| {
            let said = parsed(text, "t z y x").unwrap_err();
            assert!(said.starts_with(&format!("--pyramid `{text}`: ")), "{said}");
            assert!(words.iter().all(|w| said.contains(w)), "{said}");
        };
        check("", &["a name is missing", "t, z, y, x"]);
        check("yx,", &["a name is missing", "t, z, y, x"]);
        check(":max", &["a name is missing"]);
        check("y+", &["a name is missing"]);
        check("yc", &["`yc`", "t, z, y, x"]);
        check("y+c", &["`c`", "t, z, y, x"]);
        check("yx+z", &["`yx`", "join others with +"]);
        check("yx:average", &["`average`", "second-largest"]);
        check("yx:", &["reducer ``", "decimate"]);
        check("yx:mean:max", &["`mean:max`", "decimate"]);
        check("yx:Mean", &["`Mean`", "mean"]);
        check("yyx", &["`y` is named twice", "once"]);
        check("yx,y:max", &["`y` is named twice", "once"]);
        check("x,y,z:max", &["3 groups", "yx:mean,t:max"]);
        check("x,zy:max", &["several dimensions", "yx:mean,t:max"]);
        check("zx,y:max", &["`y`", "inside `z`", "outermost"]);
        check("t:max,y", &["`y`", "inside `t`", "outermost"]);
    }

    /// The options as a command has them.
    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        asked: Asked,
    }

    fn asked(words: &str) -> Result<Option<Pyramid>, String> {
        let words = ["forebay"].into_iter().chain(words.split_whitespace());
        let command = Command::try_parse_from(words).map_err(|e| e.to_string())?;
        command.asked.request(&["t", "y", "x"])
    }

    #[test]
    fn levels_and_aspect_go_along_with_a_pyramid_only() {
        let check = |words: &str, want: Option<(Option<u32>, bool)>| {
            assert_eq!(asked(words).map(|p| p.map(|p| (p.levels, p.keep_aspect))), Ok(want), "{words}");
        };
        check("", None);
        check("--pyramid yx", Some((None, false)));
        check("--pyramid yx,t:max --levels 3", Some((Some(3), false)));
        check("--keep-aspect --pyramid yx", Some((None, true)));
        let refused = |words: &str, word: &str| {
            let said = asked(words).unwrap_err();
            assert!(said.contains(word), "{said}");
        };
        refused("--levels 3", "--pyramid");
        refused("--keep-aspect", "--pyramid");
        // The plan knows how many there may be.
        check("--pyramid yx --levels 0", Some((Some(0), false)));
        refused("--pyramid yx --levels -1", "'-1' for '--levels");
        refused("--pyramid q", "`q`");
    }
}
