//! What a route asks of its callers, in words: for `explain`.

use std::fmt;

use super::Access;

/// `a token of main, or an API key; the scopes agents:read, agents:write`
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.issuers.iter().map(|issuer| &*issuer.name).collect();
        let token = (!names.is_empty()).then(|| format!("a token of {}", names.join(" or ")));
        let key = self.api_keys.as_ref().map(|_| "an API key".to_owned());
        let credentials: Vec<String> = token.into_iter().chain(key).collect();
        f.write_str(&credentials.join(", or "))?;
        if !self.required {
            f.write_str(", or nothing")?;
        }
        if !self.scopes.is_empty() {
            write!(f, "; {} {}", plural("the scope", &self.scopes), self.scopes.join(", "))?;
        }
        if !self.any_scope.is_empty() {
            write!(f, "; one of the scopes {}", self.any_scope.join(", "))?;
        }
        if !self.claims.is_empty() {
            let claims: Vec<String> = self.claims.iter().map(ToString::to_string).collect();
            write!(f, "; {} {}", plural("the claim", &self.claims), claims.join(", "))?;
        }
        Ok(())
    }
}

fn plural<T>(word: &str, items: &[T]) -> String {
    if items.len() == 1 { word.to_owned() } else { format!("{word}s") }
}
