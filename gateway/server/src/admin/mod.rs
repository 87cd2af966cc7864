pub(crate) mod answer;
pub(crate) mod listener;
