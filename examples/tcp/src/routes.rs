//! The resources of the server: which path is what, and which methods it allows.

use crate::http::Method;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/`: the page.
    Page,
    /// `/stats.json`
    Stats,
    /// `/selftest.json`
    SelfTest,
    /// `/bytes/N`: the first N bytes of [`crate::stream::ByteStream`].
    Bytes(u32),
    /// `/bytes/` and something that is no number of 32 bits.
    BadNumber,
    /// `/echo`
    Echo,
    /// `/connections.json`
    Connections,
    /// `/place`: moves TCP.
    Place,
    /// Nothing.
    Missing,
}

impl Route {
    /// The resource at `path`.
    pub fn of(path: &str) -> Route {
        match path {
            "/" | "/index.html" => Route::Page,
            "/stats.json" => Route::Stats,
            "/selftest.json" => Route::SelfTest,
            "/echo" => Route::Echo,
            "/connections.json" => Route::Connections,
            "/place" => Route::Place,
            _ => match path.strip_prefix("/bytes/") {
                Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    digits.parse().map_or(Route::BadNumber, Route::Bytes)
                }
                Some(_) => Route::BadNumber,
                None => Route::Missing,
            },
        }
    }

    /// Its methods, as `Allow` lists them.
    pub fn allow(self) -> &'static str {
        match self {
            Route::Echo | Route::Place => "POST",
            _ => "GET, HEAD",
        }
    }

    /// Whether `method` is one of them. What does not exist has no methods to refuse.
    pub fn allows(self, method: Method) -> bool {
        match self {
            Route::Missing | Route::BadNumber => true,
            Route::Echo | Route::Place => method == Method::Post,
            _ => matches!(method, Method::Get | Method::Head),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, route) in [
            ("/", Route::Page),
            ("/bytes/0", Route::Bytes(0)),
            ("/bytes/4294967295", Route::Bytes(u32::MAX)),
            ("/bytes/4294967296", Route::BadNumber),
            ("/bytes/", Route::BadNumber),
            ("/bytes/+1", Route::BadNumber),
            ("/bytes/-1", Route::BadNumber),
            ("/bytes", Route::Missing),
            ("/echo/", Route::Missing),
            ("/place", Route::Place),
            ("/connections.json", Route::Connections),
            ("*", Route::Missing),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
