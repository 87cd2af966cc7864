//! One small HTTPS client, for key sets and secret providers.
