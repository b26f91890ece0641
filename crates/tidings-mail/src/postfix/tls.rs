//! TLS: what smtpd, smtp, lmtp, postscreen and tlsproxy say about it, from the patches of 2004 to
//! 3.10.

use super::scan;
use super::statement::{Peer, Says};

/// Who is trusted how far, before ` TLS connection`; not logged before 2.5.
const TRUST: &[&[u8]] = &[b"", b"Anonymous ", b"Untrusted ", b"Trusted ", b"Verified "];

/// Whether a service answers clients of ours rather than talking to other servers.
pub(super) fn inbound(service: &[u8]) -> bool {
    !matches!(service, b"smtp" | b"lmtp" | b"posttls-finger")
}

/// `Untrusted TLS connection established to h[ip]:25: TLSv1.3 with cipher C (256/256 bits) …`
pub(super) fn connection(text: &[u8]) -> Option<Says<'_>> {
    let (trust, rest) = TRUST.iter().find_map(|trust| {
        let rest = text
            .strip_prefix(*trust)?
            .strip_prefix(b"TLS connection ")?;
        Some((&text[..trust.len().saturating_sub(1)], rest))
    })?;
    let rest = rest
        .strip_prefix(b"established ")
        .or_else(|| rest.strip_prefix(b"reused "))?;
    let (inbound, rest) = match rest.strip_prefix(b"from ") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix(b"to ")?),
    };
    let (peer, rest) = scan::peer_or_name(rest)?;
    // ` to name`: the name that the client asked for by SNI.
    let rest = match rest.strip_prefix(b" to ") {
        Some(rest) => scan::cut(rest, b": ")?.1,
        None => rest.strip_prefix(b": ")?,
    };
    let (version, rest) = scan::cut(rest, b" with cipher ")?;
    let (cipher, _) = scan::word(rest);
    Some(Says::TlsEstablished {
        inbound,
        trust,
        peer,
        version,
        cipher,
    })
}

/// `SSL_accept error from h[ip]: -1`, `SSL_connect error to h[ip]:25: lost connection`,
/// `SSL_set_fd error to h[ip]`.
pub(super) fn error<'a>(service: &[u8], text: &'a [u8]) -> Option<Says<'a>> {
    let (call, rest) = scan::cut(text, b" error ")?;
    let inbound = match call {
        b"SSL_accept" => true,
        b"SSL_connect" => false,
        b"SSL_set_fd" => inbound(service),
        _ => return None,
    };
    let rest = rest
        .strip_prefix(b"from ")
        .or_else(|| rest.strip_prefix(b"to "))?;
    if let Some(peer) = scan::whole_peer(rest) {
        return Some(Says::TlsError {
            inbound,
            peer: Some(peer),
            reason: call,
        });
    }
    let (peer, rest) = scan::peer_or_name(rest)?;
    Some(Says::TlsError {
        inbound,
        peer: Some(peer),
        reason: rest.strip_prefix(b": ")?,
    })
}

/// smtp's reasons for not using a server: `TLS is required, but …`, `Cannot start TLS: …`,
/// `Server certificate not trusted`, `client TLS configuration problem`.
pub(super) fn refusal(text: &[u8]) -> Option<Says<'_>> {
    let known = text.starts_with(b"TLS is required, but")
        || text.starts_with(b"Cannot start TLS")
        || text.starts_with(b"Server certificate not ")
        || text == b"client TLS configuration problem";
    if !known {
        return None;
    }
    // `… was not offered by host h[ip]`, `… but host h[ip] refused to start TLS: 454 …`
    let peer = scan::cut(text, b" host ")
        .and_then(|(_, rest)| scan::peer(rest))
        .map(|(peer, _)| peer);
    Some(Says::TlsError {
        inbound: false,
        peer,
        reason: text,
    })
}

/// tlsproxy: `TLS handshake failed for service=smtpd peer=[ip]:port`
pub(super) fn handshake(text: &[u8]) -> Option<Says<'_>> {
    let rest = text.strip_prefix(b"TLS handshake failed for service=")?;
    let (_, peer) = scan::cut(rest, b" peer=")?;
    let peer = scan::whole_peer(peer)?;
    Some(Says::TlsError {
        inbound: true,
        peer: Some(peer),
        reason: &text[..20],
    })
}

/// Beginnings of texts that tell of a step of TLS and decide nothing.
const STEPS: &[&[u8]] = &[
    b"setting up TLS connection ",
    b"starting TLS engine",
    b"initializing the client-side TLS engine",
    b"initializing the server-side TLS engine",
    b"certificate verification ",
    b"certificate peer name verification failed",
    b"server certificate verification ",
    b"client certificate verification ",
    b"Server certificate could not be verified",
    b"Client certificate could not be verified",
    b"Certificate verification ",
    b"CA certificate verification ",
    b"Peer certificate ",
    b"Peer certficate ",
    b"Peer verification: ",
    b"peer certificate ",
    b"verify error:",
    b"verify depth ",
    b"cert has expired",
    b"Verified: ",
    b"Unverified: ",
    b"Trusted: ",
    b"Untrusted: ",
    b"Verified peername",
    b"Reusing old session",
    b"subject=",
    b"subject_CN=",
    b"issuer=",
    b"issuer_CN=",
    b"fingerprint=",
    b"cipher_",
    b"SSL_connect:",
    b"SSL_accept:",
    b"SSL3 alert ",
    b"TLS SNI ",
    b"TLSRPT: ",
    b"TLS support is not compiled in",
    b"TLS cipher list ",
    b"looking for session ",
    b"looking up session ",
    b"reloaded session ",
    b"save session ",
    b"remove session ",
    b"lookup smtp session id=",
    b"lookup smtpd session id=",
    b"lookup lmtp session id=",
    b"put smtp session id=",
    b"put smtpd session id=",
    b"put lmtp session id=",
    b"delete smtp session id=",
    b"delete smtpd session id=",
    b"delete lmtp session id=",
    b"write smtp TLS cache entry ",
    b"write smtpd TLS cache entry ",
    b"read smtp TLS cache entry ",
    b"read smtpd TLS cache entry ",
    b"open smtp TLS cache ",
    b"open smtpd TLS cache ",
    b"open lmtp TLS cache ",
    b"close smtp TLS cache ",
    b"close smtpd TLS cache ",
    b"close lmtp TLS cache ",
    b"Host offered STARTTLS: ",
    b"cannot load Certification Authority data",
    b"cannot set default OpenSSL certificate verification paths",
    b"No CommonName in certificate",
];

/// Beginnings of what follows `h[ip]: ` in steps of TLS.
const PEER_STEPS: &[&[u8]] = &[
    b"subject_CN=",
    b"Trusted: ",
    b"Untrusted: ",
    b"Verified: ",
    b"Unverified: ",
    b"Reusing old session",
    b"re-using session ",
    b"Matched ",
    b"matched ",
    b"TLS ",
    b"SNI hostname: ",
    b"depth=",
    b"verify=",
    b"certificate ",
    b"Certificate ",
    b"cert ",
    b"raw public key ",
    b"Issuing session ticket",
    b"Decrypting session ticket",
    b"looking up session ",
    b"looking for session ",
    b"reloaded session ",
    b"remove session ",
    b"save session ",
    b"Peer ",
    b"peer certificate ",
    b"fingerprint=",
    b"pkey_fingerprint=",
    b"Server is anonymous",
    b"no matching ",
    b"using DANE ",
];

/// A step of TLS: setting up, certificates, sessions.
pub(super) fn step<'a>(service: &[u8], text: &'a [u8]) -> Option<Says<'a>> {
    let proxied = service == b"tlsproxy"
        && (text.starts_with(b"CONNECT ") || text.starts_with(b"DISCONNECT "));
    let known = proxied || STEPS.iter().any(|step| text.starts_with(step));
    known.then_some(Says::TlsNote {
        inbound: inbound(service),
        text,
    })
}

/// `h[ip]: text`, which is most often a step of TLS and else a note; `text` is the whole of it.
pub(super) fn about_peer<'a>(service: &[u8], whole: &'a [u8], text: &'a [u8]) -> Says<'a> {
    if PEER_STEPS.iter().any(|step| text.starts_with(step)) {
        return Says::TlsNote {
            inbound: inbound(service),
            text: whole,
        };
    }
    Says::Note { text: whole }
}

/// `TLS library problem: error:…`, behind `TLS library problem: `.
pub(super) fn library<'a>(service: &[u8], reason: &'a [u8]) -> Says<'a> {
    let peer: Option<Peer<'a>> = None;
    Says::TlsError {
        inbound: inbound(service),
        peer,
        reason,
    }
}
