//! `hydrant setup opensearch`: what Hydrant needs in a cluster and in its Dashboards is put there, or printed for people
//! who put it there themselves.
//!
//! It may run as often as one likes: what is there already stays, and nothing that somebody else made or changed is
//! overwritten.

mod print;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use hydrant_opensearch::{Client, ClientError, Method, Settings, Target};
use hydrant_transform::document::{Profile, Rotation};
use hydrant_transform::entry::Format;
use serde_json::{Value as Json, json};

use super::{cluster, output};
use crate::config::{self, Config, ConfigError, IndexEngine};
use crate::index::opensearch::apply::{self, Applied, Done};
use crate::index::opensearch::dashboards;
use crate::index::opensearch::files;
use crate::index::opensearch::overruled;
use crate::index::opensearch::parts::Object;
use crate::index::opensearch::template::Wanted;
use crate::index::opensearch::version::{Server, Support};

#[derive(Debug, Args)]
pub(super) struct Opensearch {
    /// Configuration file: the cluster, the names of its indices, the profile [default: ./hydrant.toml if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of the cluster instead of the configuration's, which then need not have one; may be given several times
    #[arg(long, value_name = "URL")]
    endpoint: Vec<String>,
    /// Formats that get a template, with commas between [default: all]
    #[arg(long, value_delimiter = ',', value_parser = format, value_name = "FORMAT")]
    formats: Vec<Format>,
    /// Field names: classic, otel or ecs [default: the configuration's]
    #[arg(long, value_parser = config::profile)]
    profile: Option<Profile>,
    /// Keep entries so many days, then delete their index; without it none is deleted
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    retention_days: Option<u32>,
    /// IAM role or user that may write; may be given several times
    #[arg(long, value_name = "ARN", value_parser = arn)]
    role_arn: Vec<String>,
    /// Address of OpenSearch Dashboards, for the index pattern, searches and dashboard
    #[arg(long, value_name = "URL")]
    dashboards: Option<String>,
    /// Print what to paste into Dev Tools, and ask no server
    #[arg(long, conflicts_with = "write")]
    print: bool,
    /// Data nodes of the cluster that --print is for
    #[arg(long, default_value_t = 3, requires = "print", value_name = "N")]
    nodes: u64,
    /// Write the files of deploy/opensearch into this folder, and ask no server
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Print JSON, one part a line
    #[arg(long)]
    json: bool,
}

fn format(name: &str) -> Result<Format, String> {
    let found = Format::ALL.into_iter().find(|format| format.name() == name);
    found.ok_or_else(|| format!("`{name}` is none of {}", config::format_names()))
}

fn arn(text: &str) -> Result<String, String> {
    let is_arn =
        text.starts_with("arn:") && [":role/", ":user/", ":assumed-role/"].iter().any(|part| text.contains(part));
    is_arn.then(|| text.to_owned()).ok_or_else(|| "an ARN of a role or user of IAM is expected".to_owned())
}

/// All that is asked for.
struct Plan {
    wanted: Wanted,
    cluster: config::OpenSearch,
    retention_days: Option<u32>,
    role_arns: Vec<String>,
}

impl Plan {
    fn of(arguments: &Opensearch) -> Result<Plan, ConfigError> {
        let config = Config::load_with(arguments.config.as_deref(), &arguments.endpoint)?;
        let found = match &config.index {
            IndexEngine::OpenSearch(found) => (**found).clone(),
            IndexEngine::Embedded => config::OpenSearch { endpoints: arguments.endpoint.clone(), ..Default::default() },
        };
        let mut wanted = cluster::wanted(&found, &config);
        wanted.profile = arguments.profile.unwrap_or(wanted.profile);
        if !arguments.formats.is_empty() {
            wanted.formats.clone_from(&arguments.formats);
        }
        if wanted.patterns().is_empty() {
            let problem = format!(
                "`index.name` {:?} begins with a placeholder: templates and policy would be those of all indices",
                wanted.index_name
            );
            return Err(ConfigError { problems: vec![problem] });
        }
        if let Some(problem) = arguments.retention_days.and_then(|_| undeletable(&wanted)) {
            return Err(ConfigError { problems: vec![problem] });
        }
        let Opensearch { retention_days, role_arn, .. } = arguments;
        Ok(Plan { wanted, cluster: found, retention_days: *retention_days, role_arns: role_arn.clone() })
    }

    /// In the order in which they are put.
    fn objects(&self, data_nodes: u64) -> Vec<Object> {
        let templates = self.wanted.templates(self.wanted.shape(data_nodes));
        let patterns = self.wanted.patterns();
        let mut all: Vec<Object> = templates.into_iter().map(Object::from).collect();
        let policy = |days: u32| Object::policy(&self.wanted.base(), &patterns, days, self.wanted.rotation);
        all.extend(self.retention_days.map(policy));
        // Others may share the cluster with other indices of theirs.
        let role = match self.wanted.base().as_str() {
            "hydrant" => files::ROLE.to_owned(),
            base => format!("{}_{base}", files::ROLE),
        };
        all.push(Object::role(&role, &patterns));
        if !self.role_arns.is_empty() {
            all.push(Object::role_mapping(&role, &self.role_arns));
        }
        all
    }

    /// What is not put because nobody asked for it.
    fn notes(&self, dashboards: Option<&str>) -> Vec<String> {
        let mut notes = Vec::new();
        if self.retention_days.is_none() {
            notes.push("no policy is put: give --retention-days for one that deletes old indices".to_owned());
        }
        if self.role_arns.is_empty() {
            notes.push("nobody is given the role: name roles and users of IAM with --role-arn".to_owned());
        }
        if dashboards.is_none() {
            notes.push("no index pattern, searches and dashboard are put: give --dashboards URL".to_owned());
        }
        notes
    }
}

/// Why no policy may delete these indices by their age, if none may.
fn undeletable(wanted: &Wanted) -> Option<String> {
    const FRESH: &str = "the policy goes by the age of an index, and the one that is written to would be deleted with its newest entries";
    match (wanted.target, wanted.rotation) {
        (Target::Index, Rotation::NoRotation) => {
            Some(format!("`--retention-days` needs a rotation: {FRESH}; set `index.rotation`"))
        }
        (Target::Index, _) => wanted.unknown().map(|placeholder| {
            format!(
                "`--retention-days`: with `{placeholder}` in `index.name` {:?} the policy would delete all that fits {}, \
                 whoever made it; leave `{placeholder}` out, or put a policy of your own for the names that you have",
                wanted.index_name,
                wanted.patterns().join(", ")
            )
        }),
        (Target::Alias | Target::DataStream, _) => Some(format!(
            "`--retention-days` needs a rotation, and `index.target = {:?}` has none: {FRESH}; put a policy of your own \
             that rolls over first (docs/opensearch.md)",
            wanted.target.name()
        )),
    }
}

pub(super) fn opensearch(arguments: &Opensearch) -> Result<()> {
    if let Some(folder) = &arguments.write {
        return write(folder);
    }
    let plan = Plan::of(arguments)?;
    if arguments.print {
        return print::print(&plan.objects(arguments.nodes), &plan.wanted);
    }
    if plan.cluster.endpoints.is_empty() {
        let problem = "no cluster is configured: give --endpoint URL, or a file with `index.engine = \"opensearch\"`";
        return Err(ConfigError { problems: vec![problem.to_owned()] }.into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let applied = runtime.block_on(apply(&plan, arguments.dashboards.as_deref()))?;
    for part in &applied {
        output::line(&if arguments.json { json_line(part) } else { line(part) })?;
    }
    for note in plan.notes(arguments.dashboards.as_deref()) {
        output::notice(&note);
    }
    let failed = applied.iter().filter(|part| matches!(part.done, Done::Failed(_))).count();
    if failed > 0 {
        bail!("{failed} of {} parts could not be put", applied.len());
    }
    Ok(())
}

async fn apply(plan: &Plan, dashboards: Option<&str>) -> Result<Vec<Applied>> {
    let settings = cluster::settings(&plan.cluster).await?;
    let client = Client::new(&settings)?;
    let nodes = data_nodes(&client).await?;
    let mut applied = Vec::new();
    for object in plan.objects(nodes) {
        let part = apply::object(&client, &object).await;
        if matches!(part.done, Done::Created | Done::Current | Done::Updated { .. })
            && apply::is_overruled(&client, &object).await
        {
            output::notice(&format!("{} {}: {}; no index gets it", part.kind, part.name, overruled::SENTENCE));
        }
        applied.push(part);
    }
    if let Some(url) = dashboards {
        // Dashboards takes requests of programs only with this header.
        let headers = vec![("osd-xsrf", "hydrant")];
        let client = Client::new(&Settings { endpoints: vec![url.to_owned()], headers, gzip: false, ..settings })?;
        let objects = dashboards::objects(&plan.wanted.base(), plan.wanted.profile);
        applied.extend(apply::saved(&client, &objects).await);
    }
    Ok(applied)
}

/// Who answers, and how large it is; a Serverless collection says neither.
async fn data_nodes(client: &Client) -> Result<u64> {
    let about = ask(client, "/").await?;
    if let Some(server) = Server::from_answer(&about) {
        let Server { distribution, number } = &server;
        match server.support() {
            Support::Tested => {}
            Support::Untested => {
                output::notice(&format!("{distribution} {number} was not tested; what it lacks is said"))
            }
            Support::Unknown(sentence) => output::notice(&sentence),
            Support::Refused(sentence) => bail!(sentence),
        }
    }
    let health = ask(client, "/_cluster/health").await?;
    Ok(health.get("number_of_data_nodes").and_then(Json::as_u64).unwrap_or(1))
}

async fn ask(client: &Client, path: &str) -> Result<Json, ClientError> {
    let answer = client.send(Method::GET, path, "", Vec::new()).await?;
    Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
}

fn line(part: &Applied) -> String {
    let done = match &part.done {
        Done::Created => "created".to_owned(),
        Done::Current => "is there already".to_owned(),
        Done::Updated { from } => format!("replaced that of version {from}"),
        Done::Left(why) => format!("left as it is: {why}"),
        Done::Lacking(what) => format!("not put: {what}"),
        Done::Failed(problem) => format!("failed: {problem}"),
    };
    format!("{} {}: {done}", part.kind, part.name)
}

fn json_line(part: &Applied) -> String {
    let why = match &part.done {
        Done::Created | Done::Current | Done::Updated { .. } => Json::Null,
        Done::Left(why) | Done::Lacking(why) | Done::Failed(why) => json!(why),
    };
    json!({"kind": part.kind, "name": part.name, "done": part.done.code(), "why": why}).to_string()
}

fn write(folder: &Path) -> Result<()> {
    for (path, content) in files::files() {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
