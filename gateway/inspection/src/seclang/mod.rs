//! SecLang: the rule language of ModSecurity, as the OWASP Core Rule Set is written in it.
//!
//! Files are read (`syntax`), compiled to a `Program` (`compile`) and run, phase by phase (`run`), on the values of a
//! request and its response (`values`). Semantics are those of ModSecurity v3; where the regression cases of the Core Rule Set expect otherwise, these.

mod ast;
mod compile;
pub(crate) mod files;
mod join;
mod program;
mod run;
mod syntax;
mod values;
mod variable;

pub use self::join::{NoSecLang, SecLangSource, WantedSecLang};
pub(crate) use self::program::About;
pub(crate) use self::run::Buffers;
pub use self::run::{Action, Beginning, Interruption, MatchedRule, Remark, SecLang, Transaction};
pub use self::syntax::check_syntax;
pub use self::values::Connection;
