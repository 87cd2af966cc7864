//! Why an operator of a rule does not compile, and what to write instead.

/// The operator as written is of no use. The front end adds file and line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OperatorError {
    /// No operator has the name.
    #[error("there is no operator @{name}{}", nearest.map(|name| format!("; @{name} is the nearest name")).unwrap_or_default())]
    Unknown {
        /// As written.
        name: String,
        /// The name that differs least, where one is near.
        nearest: Option<&'static str>,
    },
    /// ModSecurity has the operator, Rampart does not.
    #[error("@{name} is not supported: {instead}")]
    Unsupported {
        /// As written.
        name: String,
        /// What to do.
        instead: &'static str,
    },
    /// A macro stands where the parameter must be known when the rules are read.
    #[error("@{name} takes no macros: its parameter must be known when the rules are read")]
    Macro {
        /// As written.
        name: String,
    },
    /// The parameter is none of this operator's.
    #[error("@{name}: {reason}")]
    Parameter {
        /// As written.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The pattern does not compile.
    #[error("the pattern does not compile: {0}")]
    Pattern(String),
}
