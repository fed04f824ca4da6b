//! Documents to OpenSearch under their own ids: a repeat is no second document.

use std::sync::Arc;
use std::time::Duration;

use hydrant_aws::{Connection, Signer, Tries};
use hydrant_opensearch::bulk::Action;
use hydrant_opensearch::{Auth, Client, Writer, unquoted};
use hydrant_transform::document::Outcome;
use tokio::time::{Instant, timeout_at};

use crate::deadline::Deadline;
use crate::output::{Fate, Offered};
use crate::report::Report;
use crate::settings::{IndexSettings, REQUEST_TIMEOUT};

/// Less is too short for a large request.
const REQUEST_TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// A cluster.
pub(crate) struct Index {
    writer: Writer,
    ids: bool,
}

impl Index {
    /// # Errors
    /// The settings are wrong.
    pub(crate) fn new(settings: &IndexSettings, connection: &Connection) -> Result<Index, String> {
        let auth = match settings.sign {
            None => Auth::None,
            Some(service) => {
                let region = settings.region.clone().unwrap_or_else(|| connection.region().to_owned());
                Auth::SigV4(Arc::new(Signer::new(service.signing(), region, connection.credentials())))
            }
        };
        let client = hydrant_opensearch::Settings {
            endpoints: settings.endpoints.clone(),
            auth,
            gzip: settings.gzip,
            timeout: REQUEST_TIMEOUT,
            ..hydrant_opensearch::Settings::default()
        };
        let client = Client::new(&client).map_err(|error| error.to_string())?;
        Ok(Index { writer: Writer::new(client, settings.limits), ids: settings.ids })
    }

    /// Offers each document until it has a fate, or its time is over.
    pub(crate) async fn write(
        &self,
        offered: &[Offered],
        seed: &str,
        deadline: Deadline,
        report: &mut Report,
    ) -> Vec<Fate> {
        let mut fates: Vec<Fate> = offered.iter().map(|_| Fate::Unsafe).collect();
        let mut waiting: Vec<usize> = (0..offered.len()).collect();
        let mut tries = Tries::new(seed, deadline.try_until);
        let mut times = 0;
        while !waiting.is_empty() {
            times += 1;
            self.share(deadline);
            let of_place = waiting.iter().filter_map(|place| offered.get(*place));
            let actions: Vec<Action<'_>> = of_place.map(|offered| self.action(offered)).collect();
            let Ok(outcomes) = timeout_at(deadline.try_until, self.writer.write(&actions)).await else {
                report.problem("OpenSearch has not answered in the invocation's time".to_owned());
                break;
            };
            let mut again = Vec::new();
            let mut paused = false;
            for (place, outcome) in std::mem::take(&mut waiting).into_iter().zip(outcomes) {
                let fate = match outcome {
                    Outcome::Indexed => Fate::Delivered,
                    Outcome::Duplicate => Fate::Duplicate,
                    Outcome::Rejected(reason) => Fate::Rejected(reason, times),
                    Outcome::Retry(reason) => {
                        report.problem(format!("{}: {}", reason.code, unquoted(&reason.message)));
                        again.push(place);
                        continue;
                    }
                    Outcome::Paused(reason) => {
                        paused = true;
                        report.problem(format!("{}: {}", reason.code, unquoted(&reason.message)));
                        continue;
                    }
                };
                if let Some(slot) = fates.get_mut(place) {
                    *slot = fate;
                }
            }
            // Somebody has to act, which lasts longer than an invocation; what is busy may be free soon.
            if again.is_empty() || paused || !tries.next().await {
                break;
            }
            waiting = again;
        }
        fates
    }

    /// Of several endpoints one may be silent, so that there has to be time for the others.
    fn share(&self, deadline: Deadline) {
        let client = self.writer.client();
        let tries = u32::try_from(client.endpoints()).unwrap_or(u32::MAX).saturating_add(1);
        if client.endpoints() > 1 {
            let left = deadline.try_until.saturating_duration_since(Instant::now());
            client.set_timeout((left / tries).clamp(REQUEST_TIMEOUT_MIN, REQUEST_TIMEOUT));
        }
    }

    fn action<'a>(&self, offered: &'a Offered) -> Action<'a> {
        Action {
            index: &offered.index_name,
            id: self.ids.then(|| offered.document.id.as_str()),
            source: &offered.document.source,
        }
    }
}
