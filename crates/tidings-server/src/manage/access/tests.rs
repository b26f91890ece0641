//! Access as a whole, over a registry: who is let in, and until when.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tidings_admin::describe::Object;
use tidings_admin::{Role, SetError};
use tidings_event::Id;

use super::oauth::Asked;
use super::{Access, Authorization, Credential, Denied, Known, OauthError, Pkce, Stream, first};
use crate::manage::{Identity, Registry, Write};

const SECOND: i64 = 1_000_000_000;
const NOW: i64 = 1_800_000_000 * SECOND;
const PASSWORD: &str = "correct horse battery";

struct Server {
    dir: TempDir,
    registry: Arc<Registry>,
    access: Arc<Access>,
    runtime: tokio::runtime::Runtime,
}

impl Server {
    fn new() -> Server {
        let dir = tempfile::tempdir().unwrap();
        let registry = Arc::new(Registry::open(dir.path()).unwrap());
        let access = Access::open(dir.path(), Arc::clone(&registry)).unwrap();
        Server {
            dir,
            registry,
            access: Arc::new(access),
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
        }
    }

    /// Makes or changes an object, as a client of the API that this is.
    fn put(
        &self,
        object: &'static str,
        id: Option<Id>,
        value: Value,
        who: &Identity,
    ) -> Result<(Id, Map<String, Value>), SetError> {
        let mut value = value.as_object().unwrap().clone();
        let current = id.and_then(|id| self.registry.get(object, id).unwrap());
        let described = Object::named(object).unwrap();
        let shown = self
            .access
            .prepare(described, id, &mut value, current.as_ref(), who, NOW)?;
        let id = id.unwrap_or_else(|| self.registry.new_id(NOW));
        let put = Write::Put { object, id, value };
        self.registry.commit(&[put], &who.name, NOW).unwrap();
        Ok((id, shown))
    }

    fn account(&self, name: &str, role: &str) -> Id {
        let value = json!({"name": name, "role": role, "secret": PASSWORD, "enable": true});
        self.put("Account", None, value, &root()).unwrap().0
    }

    fn key(&self, value: Value) -> (Id, String) {
        let (id, shown) = self.put("ApiKey", None, value, &root()).unwrap();
        (id, shown["secret"].as_str().unwrap().to_owned())
    }

    /// Changes some properties of what is kept, past all checks.
    fn patch(&self, object: &'static str, id: Id, patch: Value) {
        let mut value = self.registry.get(object, id).unwrap().unwrap();
        value.extend(patch.as_object().unwrap().clone());
        let put = Write::Put { object, id, value };
        self.registry.commit(&[put], "test", NOW).unwrap();
    }

    fn sign_in(&self, name: &str, password: &str) -> Result<Known, Denied> {
        self.sign_in_from("192.0.2.1", name, password, NOW)
    }

    fn sign_in_from(
        &self,
        address: &str,
        name: &str,
        password: &str,
        now_ns: i64,
    ) -> Result<Known, Denied> {
        let address: IpAddr = address.parse().unwrap();
        let signing = self
            .access
            .sign_in(name, password, Some(address), "page", now_ns);
        self.runtime.block_on(signing)
    }
}

fn root() -> Identity {
    Identity::local("root", Role::Admin)
}

fn is_wrong<T: std::fmt::Debug>(result: Result<T, Denied>) -> bool {
    matches!(result, Err(Denied::Wrong(_)))
}

#[test]
fn the_first_start_makes_an_admin_once() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::new();
    let first = server.access.make_first(NOW).unwrap().unwrap();
    assert!(first.password.len() == 27 && first.name == "admin");
    assert!(server.access.make_first(NOW).unwrap().is_none());
    let path = server.access.keep_first(&first).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        format!("{}\n", first.password)
    );
    assert!(is_wrong(server.sign_in("admin", "guess guess guess")));
    assert!(path.exists());
    let known = server.sign_in("Admin ", &first.password).unwrap();
    assert_eq!(
        known.identity.permissions,
        Arc::new(Role::Admin.permissions())
    );
    assert!(!path.exists());
    let kept = std::fs::read(server.dir.path().join("registry.redb")).unwrap();
    let is_in = |needle: &str| {
        kept.windows(needle.len())
            .any(|bytes| bytes == needle.as_bytes())
    };
    assert!(!is_in(&first.password) && is_in("$argon2id$"));
}

#[test]
fn wrong_names_and_wrong_passwords_look_alike_and_are_slowed() {
    let server = Server::new();
    server.account("alice", "viewer");
    let disabled = server.account("bob", "viewer");
    server.patch("Account", disabled, json!({"enable": false}));
    let answers = [
        ("nobody", PASSWORD),
        ("alice", "wrong wrong wrong"),
        ("bob", PASSWORD),
    ];
    let answers = answers.map(|(name, password)| server.sign_in(name, password).unwrap_err());
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    for _ in 0..2 {
        assert!(is_wrong(server.sign_in("nobody", "x")));
    }
    assert_eq!(
        server.sign_in("alice", PASSWORD).unwrap_err(),
        Denied::TooMany(1)
    );
    // Somebody else is not concerned, and a second later nor is this one.
    assert!(
        server
            .sign_in_from("192.0.2.9", "alice", PASSWORD, NOW)
            .is_ok()
    );
    assert!(
        server
            .sign_in_from("192.0.2.1", "alice", PASSWORD, NOW + SECOND)
            .is_ok()
    );
}

/// What a clock shows of an answer must not tell whether there is such an account.
#[test]
fn an_unknown_name_takes_as_long_as_a_wrong_password() {
    let server = Server::new();
    server.account("alice", "viewer");
    let fastest = |name: &str| {
        let times = (0..4).map(|n| {
            let watch = crate::clock::Watch::start();
            let _ = server.sign_in_from(&format!("192.0.2.{n}"), name, "wrong wrong", NOW);
            watch.elapsed()
        });
        times.min().unwrap()
    };
    let (known, unknown) = (fastest("alice"), fastest("nobody"));
    assert!(
        unknown * 3 > known && known * 3 > unknown,
        "{known:?} {unknown:?}"
    );
}

#[test]
fn what_was_given_ends_with_the_account_and_with_its_password() {
    let server = Server::new();
    let alice = server.account("alice", "admin");
    server.account("other", "admin");
    let known = server.sign_in("alice", PASSWORD).unwrap();
    let page = server.access.begin_page(&known, NOW).unwrap();
    let by_page = || server.access.by_page(page.as_bytes(), None, NOW);
    assert_eq!(by_page().unwrap().identity.account, alice);
    // Another role counts at once.
    server.patch("Account", alice, json!({"role": "viewer"}));
    assert!(!by_page().unwrap().identity.permissions.has("sysAccountGet"));
    server.patch("Account", alice, json!({"enable": false}));
    assert!(is_wrong(by_page()));
    server.patch("Account", alice, json!({"enable": true}));
    assert!(by_page().is_ok());
    let mended = first::reset(&server.registry, "ALICE", "root", NOW).unwrap();
    assert!(is_wrong(by_page()));
    assert!(is_wrong(server.sign_in("alice", PASSWORD)));
    let known = server.sign_in("alice", &mended.password).unwrap();
    let page = server.access.begin_page(&known, NOW).unwrap();
    server.access.end(page.as_bytes()).unwrap();
    assert!(is_wrong(server.access.by_page(page.as_bytes(), None, NOW)));
    assert!(first::reset(&server.registry, "nobody", "root", NOW).is_err());
}

#[test]
fn a_password_with_every_request_is_checked_once_in_a_while() {
    let server = Server::new();
    let alice = server.account("alice", "viewer");
    let ask = |password: &str| {
        let asking = server.access.by_password("alice", password, None, NOW);
        server.runtime.block_on(asking)
    };
    assert!(ask(PASSWORD).is_ok() && ask(PASSWORD).is_ok());
    for _ in 0..5 {
        assert!(is_wrong(ask("wrong wrong wrong")));
    }
    assert!(matches!(ask("wrong wrong wrong"), Err(Denied::TooMany(_))));
    // Who shows the right one was known already.
    assert!(ask(PASSWORD).is_ok());
    first::reset(&server.registry, "alice", "root", NOW).unwrap();
    assert!(ask(PASSWORD).is_err());
    assert_eq!(server.access.last_use(alice), Some(NOW));
}

#[test]
fn keys_are_good_until_they_expire_or_are_revoked() {
    let server = Server::new();
    let alice = server.account("alice", "operator");
    let id = alice.to_string();
    let (key, shown) = server.key(json!({"accountId": id, "permissions": {"sysTracerGet": true}}));
    let by = |shown: &str, now_ns| server.access.by_bearer(shown.as_bytes(), None, now_ns);
    let known = by(&shown, NOW).unwrap();
    assert_eq!(known.identity.permissions.names(), ["sysTracerGet"]);
    assert_eq!(server.access.last_use(key), Some(NOW));
    assert!(is_wrong(by("tidk_guess", NOW)) && is_wrong(by("", NOW)));
    // A key is no way to get a session that outlives it.
    assert!(is_wrong(server.access.begin_page(&known, NOW)));

    server.patch("ApiKey", key, json!({"enable": false}));
    assert!(is_wrong(by(&shown, NOW)));
    server.patch(
        "ApiKey",
        key,
        json!({"enable": true, "expiresAt": "2027-01-15T08:00:01Z"}),
    );
    assert!(by(&shown, NOW).is_ok() && is_wrong(by(&shown, NOW + SECOND)));
    server.patch("ApiKey", key, json!({"expiresAt": null}));
    server.patch("Account", alice, json!({"enable": false}));
    assert!(is_wrong(by(&shown, NOW)));
    server.patch("Account", alice, json!({"enable": true}));
    let remove = Write::Remove {
        object: "ApiKey",
        id: key,
    };
    server.registry.commit(&[remove], "root", NOW).unwrap();
    assert!(is_wrong(by(&shown, NOW)));
    server.access.tidy(NOW).unwrap();
    assert_eq!(server.access.last_use(key), None);
}

#[test]
fn nobody_gives_rights_that_they_have_not() {
    let server = Server::new();
    let admin = server.account("admin", "admin");
    let (_, shown) = server.key(json!({
        "accountId": admin.to_string(),
        "permissions": {"sysAccountCreate": true, "sysAccountUpdate": true, "sysTracerGet": true},
    }));
    let weak = server
        .access
        .by_bearer(shown.as_bytes(), None, NOW)
        .unwrap()
        .identity;
    let account = |role: &str| json!({"name": "eve", "role": role, "secret": PASSWORD});
    assert!(
        server
            .put("Account", None, account("admin"), &weak)
            .is_err()
    );
    let takes_over = json!({"name": "admin", "role": "admin", "secret": "another password"});
    assert!(
        server
            .put("Account", Some(admin), takes_over, &weak)
            .is_err()
    );
    for (wrong, property) in [
        (json!({"name": "a b", "role": "viewer"}), "name"),
        (
            json!({"name": "a", "role": "viewer", "secret": "short"}),
            "secret",
        ),
        (json!({"name": "a", "role": "domain-viewer"}), "domains"),
        (
            json!({"name": "a", "role": "viewer", "domains": {"x.test": true}}),
            "domains",
        ),
    ] {
        let error = server.put("Account", None, wrong, &root()).unwrap_err();
        assert_eq!(error.properties, [property]);
    }
    for (wrong, property) in [
        (json!({}), "accountId"),
        (
            json!({"accountId": admin.to_string(), "permissions": {"fly": true}}),
            "permissions",
        ),
    ] {
        let error = server.put("ApiKey", None, wrong, &root()).unwrap_err();
        assert_eq!(error.properties, [property]);
    }
}

#[test]
fn the_last_admin_stays() {
    let server = Server::new();
    let admin = server.account("admin", "admin");
    let value = json!({"name": "admin", "role": "viewer", "secret": PASSWORD});
    assert!(
        server
            .put("Account", Some(admin), value.clone(), &root())
            .is_err()
    );
    assert!(server.access.refuse_last_admin(admin, None).is_err());
    let other = server.account("other", "admin");
    assert!(server.access.refuse_last_admin(admin, None).is_ok());
    server.put("Account", Some(admin), value, &root()).unwrap();
    assert!(server.access.refuse_last_admin(other, None).is_err());
}

#[test]
fn a_code_gives_tokens_once() {
    let server = Server::new();
    let alice = server.account("alice", "viewer");
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let authorization = Authorization {
        client: "web".to_owned(),
        redirect_uri: "https://a.test/cb".to_owned(),
        pkce: Pkce::parse("S256", challenge).unwrap(),
    };
    let asked = Asked {
        client: "web",
        redirect_uri: "https://a.test/cb",
        verifier,
    };
    let known = server.sign_in("alice", PASSWORD).unwrap();
    let access = &server.access;
    let code = access
        .authorize(authorization.clone(), &known, NOW)
        .unwrap();
    let grant = access.exchange(&code, asked, NOW).unwrap();
    let by = |token: &str, now_ns| access.by_bearer(token.as_bytes(), None, now_ns);
    assert_eq!(by(&grant.access, NOW).unwrap().identity.account, alice);
    assert!(is_wrong(by(&grant.refresh, NOW)));
    assert!(is_wrong(by(&grant.access, NOW + 3_600 * SECOND)));
    // Who brings the code again may have stolen it: what was given for it ends.
    let again = access.exchange(&code, asked, NOW);
    assert!(matches!(again, Err(OauthError::InvalidGrant(_))));
    assert!(is_wrong(by(&grant.access, NOW)));
    assert!(access.refresh(&grant.refresh, "web", NOW).is_err());

    let code = access
        .authorize(authorization.clone(), &known, NOW)
        .unwrap();
    let grant = access.exchange(&code, asked, NOW).unwrap();
    let second = access.refresh(&grant.refresh, "web", NOW).unwrap();
    assert!(by(&second.access, NOW).is_ok());
    let code = access.authorize(authorization, &known, NOW).unwrap();
    first::reset(&server.registry, "alice", "root", NOW).unwrap();
    assert!(access.refresh(&second.refresh, "web", NOW).is_err());
    assert!(access.exchange(&code, asked, NOW).is_err());
}

#[test]
fn a_streams_token_has_the_rights_of_now() {
    let server = Server::new();
    let alice = server.account("alice", "viewer");
    let known = server.sign_in("alice", PASSWORD).unwrap();
    let access = &server.access;
    let token = access.stream_token(Stream::Tracing, &known, NOW).unwrap();
    let by = || access.by_stream_token(Stream::Tracing, token.as_bytes(), None, NOW);
    assert_eq!(by().unwrap().identity.account, alice);
    server.patch("Account", alice, json!({"enable": false}));
    assert!(is_wrong(by()));
    assert!(is_wrong(access.resolve(&Credential::Local, NOW)));
}
