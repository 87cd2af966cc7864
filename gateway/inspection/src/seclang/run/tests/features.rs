//! One table per feature of the language.

use super::{Exchange, load};
