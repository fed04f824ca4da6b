//! What an envelope and a log event tell beside what every one does.

use serde_json::{Map, Value};

use super::Writer;
use crate::document::Field;
use crate::json;
use crate::sql::redact::Redact;

impl Writer<'_> {
    /// Members that CloudWatch documents have a name each; the others are kept as text.
    pub(super) fn extra(&mut self, free: &dyn Fn(Field) -> bool) {
        let (mut extracted, mut others) = (Map::new(), Map::new());
        let (mut policy_level, mut account, mut region) = (None, None, None);
        let mut sort = |key: String, value: Value, is_extracted: bool| match (key.as_str(), value) {
            ("policyLevel", Value::String(text)) if !is_extracted => policy_level = Some(text),
            // The system fields stand among what is extracted, or beside.
            ("@aws.account", Value::String(text)) => account = Some(text),
            ("@aws.region", Value::String(text)) => region = Some(text),
            (_, value) => drop(if is_extracted { &mut extracted } else { &mut others }.insert(key, value)),
        };
        for (key, value) in self.metadata.extra().iter().into_iter().chain(self.event.extra.iter()) {
            if let ("extractedFields", Value::Object(fields)) = (key.as_str(), &value) {
                fields.iter().for_each(|(key, value)| sort(key.clone(), value.clone(), true));
            } else {
                sort(key, value, false);
            }
        }
        let named = [(Field::PolicyLevel, policy_level), (Field::SourceAccount, account), (Field::Region, region)];
        for (field, text) in named {
            if let Some(text) = text.filter(|_| free(field)) {
                self.text(field, text.as_bytes());
            }
        }
        // What a pattern extracted may be a literal of a statement.
        if self.options.redact == Redact::Literals {
            return;
        }
        if !extracted.is_empty() && free(Field::ExtractedFields) && self.key(Field::ExtractedFields) {
            self.out.push(b'{');
            for (key, value) in &extracted {
                json::write_separator(self.out);
                json::write_str(self.out, key);
                self.out.push(b':');
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let shown = self.options.redact.hide_text(text.as_bytes()).unwrap_or_default().into_owned();
                json::write_lossy(self.out, &shown);
            }
            self.out.push(b'}');
        }
        if !others.is_empty() && free(Field::Envelope) {
            let text = Value::Object(others).to_string();
            let shown = self.options.redact.hide_text(text.as_bytes()).unwrap_or_default().into_owned();
            self.text(Field::Envelope, &shown);
        }
    }
}
