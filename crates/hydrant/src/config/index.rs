//! The `[index]` table's engine: the embedded one, or a cluster of OpenSearch.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hydrant_opensearch::bulk::Operation;
use hydrant_opensearch::{
    Auth, Limits, Oversize, PasswordFile, Service, Settings, Target, check_endpoint, check_proxy,
};
use toml::de::DeTable;

use super::describe::shown;
use super::file::{Reader, Value, boolean, string};
use super::filters::texts;
use super::units;

/// Where documents go.
#[derive(Clone, Debug, Default)]
pub enum IndexEngine {
    #[default]
    Embedded,
    OpenSearch(Box<OpenSearch>),
}

/// How a cluster is reached, and how it is written to.
#[derive(Clone, Debug)]
pub struct OpenSearch {
    pub endpoints: Vec<String>,
    pub user: Option<String>,
    /// A file whose content, without the end of its line, is the password.
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub identity_file: Option<PathBuf>,
    pub proxy: Option<String>,
    pub gzip: bool,
    pub timeout: Duration,
    pub limits: Limits,
    /// Whether documents have ids of ours.
    pub ids: bool,
    /// Whether templates are put where there are none.
    pub templates: bool,
    pub mapping: Mapping,
    pub sign: Option<Sign>,
}

/// What index templates say by the user's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub dynamic: Dynamic,
    pub dynamic_fields: u32,
    /// `None`: by the number of nodes.
    pub shards: Option<u32>,
    pub replicas: Option<u32>,
}

/// Whose unknown fields are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dynamic {
    Auto,
    On,
    Off,
}

impl Dynamic {
    fn name(self) -> &'static str {
        match self {
            Dynamic::Auto => "auto",
            Dynamic::On => "on",
            Dynamic::Off => "off",
        }
    }
}

/// How requests are signed for a service of Amazon's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    pub service: Service,
    /// `None`: that of the environment.
    pub region: Option<String>,
    /// A role that is taken on first.
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
}

impl Default for OpenSearch {
    fn default() -> OpenSearch {
        let Settings { timeout, gzip, .. } = Settings::default();
        OpenSearch {
            endpoints: Vec::new(),
            user: None,
            password_file: None,
            ca_file: None,
            identity_file: None,
            proxy: None,
            gzip,
            timeout,
            limits: Limits::default(),
            ids: true,
            templates: true,
            mapping: Mapping { dynamic: Dynamic::Auto, dynamic_fields: 1_000, shards: None, replicas: None },
            sign: None,
        }
    }
}

/// Of an index; OpenSearch takes no more shards.
const SHARDS_MAX: u32 = 1_024;

/// Copies beside the first.
const REPLICAS_MAX: u32 = 20;

/// Beside ours there must be room for some.
const DYNAMIC_FIELDS_MIN: u32 = 200;

const DYNAMIC_FIELDS_MAX: u32 = 100_000;

/// A body is held whole, once for each connection.
const BODY_BYTES_MAX: u64 = 100 * 1024 * 1024;

const CONNECTIONS_MAX: usize = 64;

/// Below this a healthy cluster looks like one that is away.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);

const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);

/// What only a cluster has.
const KEYS: [&str; 23] = [
    "endpoint",
    "user",
    "password_file",
    "ca_file",
    "identity_file",
    "proxy",
    "gzip",
    "timeout",
    "body_size",
    "connections",
    "operation",
    "oversize",
    "ids",
    "template",
    "target",
    "sign",
    "region",
    "role_arn",
    "external_id",
    "dynamic",
    "dynamic_fields",
    "shards",
    "replicas",
];

impl Reader<'_> {
    pub(super) fn index_engine(&mut self, table: &DeTable<'_>, engine: &mut IndexEngine) {
        let mut name = "embedded".to_owned();
        self.set(table, "engine", &mut name, |value| match string(value)? {
            name @ ("embedded" | "opensearch") => Ok(name.to_owned()),
            other => Err(format!("`{other}` is neither `embedded` nor `opensearch`")),
        });
        if name == "embedded" {
            for (key, value) in table.iter().filter(|(key, _)| KEYS.contains(&key.get_ref().as_ref())) {
                let problem =
                    format!("`{}` is of the engine `opensearch`, and `engine` is not set to it", key.get_ref());
                self.problem(value.span().start, problem);
            }
            return;
        }
        let mut found = OpenSearch::default();
        self.index_connection(table, &mut found);
        let limits = &mut found.limits;
        self.set(table, "body_size", &mut limits.body_bytes, |value| {
            let bytes = units::bytes(string(value)?)?;
            let fits = Some(bytes).filter(|bytes| (4096..=BODY_BYTES_MAX).contains(bytes));
            fits.and_then(|bytes| usize::try_from(bytes).ok())
                .ok_or_else(|| "a size from 4KiB to 100MiB is expected".to_owned())
        });
        self.set(table, "connections", &mut limits.connections, connections);
        self.set(table, "operation", &mut limits.operation, |value| match string(value)? {
            "create" => Ok(Operation::Create),
            "index" => Ok(Operation::Index),
            other => Err(format!("`{other}` is neither `create` nor `index`")),
        });
        self.set(table, "oversize", &mut limits.oversize, |value| match string(value)? {
            "fail" => Ok(Oversize::Fail),
            "truncate" => Ok(Oversize::Truncate),
            other => Err(format!("`{other}` is neither `fail` nor `truncate`")),
        });
        self.set(table, "target", &mut limits.target, |value| {
            let name = string(value)?;
            let found = Target::ALL.into_iter().find(|target| target.name() == name);
            found.ok_or_else(|| format!("`{name}` is none of `index`, `alias`, `data_stream`"))
        });
        if limits.target == Target::DataStream && limits.operation == Operation::Index {
            let at = table.get("operation").map_or(0, |value| value.span().start);
            self.problem(at, "`operation`: a data stream takes only `create`");
        }
        self.set(table, "ids", &mut found.ids, |value| on_or_off(string(value)?, "on"));
        self.set(table, "template", &mut found.templates, |value| on_or_off(string(value)?, "auto"));
        self.index_mapping(table, &mut found.mapping);
        self.index_sign(table, &mut found);
        let at = table.get("engine").map_or(0, |value| value.span().start);
        if !self.endpoints.is_empty() {
            found.endpoints = self.endpoints.to_vec();
        }
        if found.endpoints.is_empty() {
            self.problem(at, "the engine `opensearch` needs `endpoint`");
        }
        if found.user.is_some() != found.password_file.is_some() {
            self.problem(at, "`user` and `password_file` belong together");
        }
        *engine = IndexEngine::OpenSearch(Box::new(found));
    }
}

fn on_or_off(text: &str, on: &str) -> Result<bool, String> {
    match text {
        text if text == on => Ok(true),
        "off" => Ok(false),
        other => Err(format!("`{other}` is neither `{on}` nor `off`")),
    }
}

impl Reader<'_> {
    /// How the cluster is reached.
    fn index_connection(&mut self, table: &DeTable<'_>, found: &mut OpenSearch) {
        let text = |value: &Value<'_>| string(value).map(|text| Some(text.to_owned()));
        let path = |value: &Value<'_>| string(value).map(|text| Some(PathBuf::from(text)));
        self.set(table, "endpoint", &mut found.endpoints, |value| {
            let endpoints = texts(value)?;
            endpoints.iter().try_for_each(|endpoint| check_endpoint(endpoint))?;
            let mut seen = BTreeSet::new();
            match endpoints.iter().find(|endpoint| !seen.insert(*endpoint)) {
                Some(endpoint) => Err(format!("{endpoint} is there twice")),
                None => Ok(endpoints),
            }
        });
        self.set(table, "user", &mut found.user, text);
        self.set(table, "password_file", &mut found.password_file, path);
        self.set(table, "ca_file", &mut found.ca_file, path);
        self.set(table, "identity_file", &mut found.identity_file, path);
        self.set(table, "proxy", &mut found.proxy, |value| {
            let proxy = string(value)?;
            check_proxy(proxy).map(|()| Some(proxy.to_owned()))
        });
        self.set(table, "gzip", &mut found.gzip, boolean);
        self.set(table, "timeout", &mut found.timeout, |value| {
            let timeout = units::duration(string(value)?)?;
            let fits = Some(timeout).filter(|timeout| (TIMEOUT_MIN..=TIMEOUT_MAX).contains(timeout));
            fits.ok_or_else(|| "a time from 1s to 1h is expected".to_owned())
        });
    }

    fn index_mapping(&mut self, table: &DeTable<'_>, mapping: &mut Mapping) {
        self.set(table, "dynamic", &mut mapping.dynamic, |value| match string(value)? {
            "auto" => Ok(Dynamic::Auto),
            "on" => Ok(Dynamic::On),
            "off" => Ok(Dynamic::Off),
            other => Err(format!("`{other}` is none of `auto`, `on`, `off`")),
        });
        let fields = |value: &Value<'_>| number(value, DYNAMIC_FIELDS_MIN, DYNAMIC_FIELDS_MAX);
        self.set(table, "dynamic_fields", &mut mapping.dynamic_fields, fields);
        self.set(table, "shards", &mut mapping.shards, |value| number(value, 1, SHARDS_MAX).map(Some));
        self.set(table, "replicas", &mut mapping.replicas, |value| number(value, 0, REPLICAS_MAX).map(Some));
    }

    fn index_sign(&mut self, table: &DeTable<'_>, found: &mut OpenSearch) {
        let text = |value: &Value<'_>| string(value).map(|text| Some(text.to_owned()));
        let mut service = None;
        let (mut region, mut role_arn, mut external_id) = (None, None, None);
        self.set(table, "sign", &mut service, |value| match string(value)? {
            "es" => Ok(Some(Service::Es)),
            "aoss" => Ok(Some(Service::Aoss)),
            other => Err(format!("`{other}` is neither `es` nor `aoss`")),
        });
        self.set(table, "region", &mut region, text);
        self.set(table, "role_arn", &mut role_arn, |value| match string(value)? {
            arn if arn.starts_with("arn:") && arn.contains(":role/") => Ok(Some(arn.to_owned())),
            other => Err(format!("`{other}` is no role: write it as arn:aws:iam::123456789012:role/NAME")),
        });
        self.set(table, "external_id", &mut external_id, text);
        let at = |key: &str| table.get(key).map_or(0, |value| value.span().start);
        let Some(service) = service else {
            for key in ["region", "role_arn", "external_id"].into_iter().filter(|key| table.get(*key).is_some()) {
                self.problem(at(key), format!("`{key}` is of signed requests, and `sign` is not set"));
            }
            return;
        };
        if external_id.is_some() && role_arn.is_none() {
            self.problem(at("external_id"), "`external_id` belongs to a `role_arn`");
        }
        if found.user.is_some() {
            self.problem(at("sign"), "`sign` and `user` are two ways of signing in: only one is possible");
        }
        if !cfg!(feature = "aws") {
            self.problem(
                at("sign"),
                "`sign` needs a Hydrant that is built with `cargo build --release --features aws`",
            );
        }
        found.sign = Some(Sign { service, region, role_arn, external_id });
    }
}

fn number(value: &Value<'_>, min: u32, max: u32) -> Result<u32, String> {
    let number = value.get_ref().as_integer();
    let number = number.and_then(|integer| u32::from_str_radix(integer.as_str(), integer.radix()).ok());
    let number = number.filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("a number from {min} to {max} is expected"))
}

fn connections(value: &Value<'_>) -> Result<usize, String> {
    let number = value.get_ref().as_integer();
    let number = number.and_then(|integer| usize::from_str_radix(integer.as_str(), integer.radix()).ok());
    let number = number.filter(|connections| (1..=CONNECTIONS_MAX).contains(connections));
    number.ok_or_else(|| format!("a number from 1 to {CONNECTIONS_MAX} is expected"))
}

impl OpenSearch {
    /// What the client needs; the password is read here.
    ///
    /// # Errors
    /// The password's file cannot be read.
    pub fn settings(&self) -> Result<Settings, String> {
        let auth = match (&self.user, &self.password_file) {
            (Some(user), Some(path)) => Auth::File(Arc::new(PasswordFile::open(user.clone(), path.clone())?)),
            _ => Auth::None,
        };
        Ok(Settings {
            endpoints: self.endpoints.clone(),
            auth,
            ca_file: self.ca_file.clone(),
            identity_file: self.identity_file.clone(),
            proxy: self.proxy.clone(),
            gzip: self.gzip,
            timeout: self.timeout,
            headers: Vec::new(),
        })
    }

    pub(super) fn write(&self, out: &mut impl std::fmt::Write) -> std::fmt::Result {
        let endpoints: Vec<String> = self.endpoints.iter().map(|endpoint| shown(endpoint)).collect();
        writeln!(out, "endpoint = {endpoints:?}")?;
        let paths = [
            ("password_file", &self.password_file),
            ("ca_file", &self.ca_file),
            ("identity_file", &self.identity_file),
        ];
        if let Some(user) = &self.user {
            writeln!(out, "user = {user:?}")?;
        }
        if let Some(proxy) = &self.proxy {
            writeln!(out, "proxy = {:?}", shown(proxy))?;
        }
        for (name, path) in paths {
            if let Some(path) = path {
                writeln!(out, "{name} = {path:?}")?;
            }
        }
        let Limits { operation, body_bytes, body_documents: _, connections, oversize, target } = self.limits;
        let oversize = if oversize == Oversize::Fail { "fail" } else { "truncate" };
        writeln!(out, "gzip = {}\ntimeout = {:?}", self.gzip, units::duration_text(self.timeout))?;
        writeln!(out, "body_size = {:?}\nconnections = {connections}", units::bytes_text(body_bytes as u64))?;
        let ids = if self.ids { "on" } else { "off" };
        let template = if self.templates { "auto" } else { "off" };
        writeln!(
            out,
            "operation = {:?}\noversize = {oversize:?}\nids = {ids:?}\ntemplate = {template:?}\ntarget = {:?}",
            operation.name(),
            target.name()
        )?;
        self.write_more(out)
    }

    fn write_more(&self, out: &mut impl std::fmt::Write) -> std::fmt::Result {
        let Mapping { dynamic, dynamic_fields, shards, replicas } = self.mapping;
        writeln!(out, "dynamic = {:?}\ndynamic_fields = {dynamic_fields}", dynamic.name())?;
        for (name, number) in [("shards", shards), ("replicas", replicas)] {
            if let Some(number) = number {
                writeln!(out, "{name} = {number}")?;
            }
        }
        let Some(Sign { service, region, role_arn, external_id }) = &self.sign else { return Ok(()) };
        writeln!(out, "sign = {:?}", service.name())?;
        for (name, text) in [("region", region), ("role_arn", role_arn), ("external_id", external_id)] {
            if let Some(text) = text {
                writeln!(out, "{name} = {text:?}")?;
            }
        }
        Ok(())
    }
}
