//! What a user asks of a pyramid.

use crate::Reducer;

/// Coarser levels beside the array, each half as large as the one above along some dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pyramid {
    /// Names of the dimensions that are halved: inner ones, and the last append dimension.
    pub dims: Vec<String>,
    /// What becomes of the elements of a window.
    pub reducer: Reducer,
    /// Another reducer for the last append dimension; `None`: the same, in one window with the others.
    pub append: Option<Reducer>,
    /// Coarser levels, at the most; `None`: until every halved dimension fits in one chunk.
    pub levels: Option<u32>,
    /// Stop when the first of them fits in one chunk, so that elements keep their shape.
    pub keep_aspect: bool,
}
