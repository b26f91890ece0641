//! The page to sign in on for clients of OAuth: a form without a script, that can be put in no frame and
//! sends what is typed to this server only.

use axum::http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};

use super::account::uncached;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:22rem;margin:12vh auto;padding:0 1rem;\
color-scheme:light dark}label{display:block;margin:1rem 0 .25rem}input{width:100%;font:inherit;padding:.5rem;\
box-sizing:border-box}button{margin-top:1.5rem;width:100%;font:inherit;padding:.6rem}\
.wrong{border-left:4px solid #c33;padding-left:.75rem}.to{overflow-wrap:anywhere}";

/// What stands on the page.
pub(super) struct Page<'a> {
    /// What the client calls itself.
    pub(super) client: &'a str,
    /// Where it has somebody sent back to.
    pub(super) redirect_uri: &'a str,
    /// The name that it proposes.
    pub(super) hint: &'a str,
    /// What was wrong the last time.
    pub(super) wrong: Option<&'a str>,
    /// What is sent along.
    pub(super) hidden: &'a [(&'a str, &'a str)],
}

impl Page<'_> {
    pub(super) fn response(&self, status: StatusCode) -> Response {
        let hidden: String = self
            .hidden
            .iter()
            .map(|(name, value)| {
                format!(
                    "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                    escaped(name),
                    escaped(value)
                )
            })
            .collect();
        let wrong = self.wrong.map_or_else(String::new, |why| {
            format!("<p class=\"wrong\" role=\"alert\">{}</p>", escaped(why))
        });
        let (client, to, hint) = (
            escaped(self.client),
            escaped(host(self.redirect_uri)),
            escaped(self.hint),
        );
        let body = format!(
            "<h1>Sign in to Tidings</h1>{wrong}<p>for <b>{client}</b>, which is at <b class=\"to\">{to}</b> \
             and will be able to do what you can.</p><form method=\"post\" action=\"/oauth/authorize\">{hidden}\
             <label for=\"name\">Name</label><input id=\"name\" name=\"name\" value=\"{hint}\" required \
             autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"100\">\
             <label for=\"password\">Password</label><input id=\"password\" name=\"password\" \
             type=\"password\" required autocomplete=\"current-password\" maxlength=\"1024\">\
             <button>Sign in</button></form>"
        );
        html(status, &body, host(self.redirect_uri))
    }
}

/// A page with one sentence.
pub(super) fn message(status: StatusCode, sentence: &str) -> Response {
    html(
        status,
        &format!("<h1>Tidings</h1><p>{}</p>", escaped(sentence)),
        "",
    )
}

/// `form_to` is where the form's answer may send the browser besides here.
fn html(status: StatusCode, body: &str, form_to: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Tidings</title><style>{STYLE}</style></head>\
         <body>{body}</body></html>\n"
    );
    let style = BASE64.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self' {form_to}; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    let mut response = uncached("text/html; charset=utf-8", page);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let policy = HeaderValue::from_str(&policy);
    headers.insert(
        CONTENT_SECURITY_POLICY,
        policy.unwrap_or(HeaderValue::from_static("default-src 'none'")),
    );
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Not `no-referrer`: browsers would name no origin with the form then.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Scheme and host of an address.
fn host(address: &str) -> &str {
    let after = address.find("://").map_or(0, |at| at + 3);
    let rest = &address[after..];
    let end = rest
        .find(['/', '?', '#'])
        .map_or(address.len(), |at| after + at);
    &address[..end]
}

/// Text as it can stand in HTML, also between quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_client_says_becomes_html() {
        assert_eq!(
            escaped("<a b=\"c\" d='e'>&\n"),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp; "
        );
        assert_eq!(host("https://a.test:8/b?c#d"), "https://a.test:8");
        assert_eq!(host("http://a.test"), "http://a.test");
        assert_eq!(host(""), "");
    }
}
