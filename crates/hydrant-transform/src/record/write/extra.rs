//! What an envelope and a log event tell beside what every one does.

use serde_json::value::RawValue;

use super::Writer;
use crate::document::Field;
use crate::envelope::members;
use crate::json;
use crate::sql::redact::Redact;

impl Writer<'_> {
    /// Members that CloudWatch documents have a name each; the others are kept as text.
    pub(super) fn extra(&mut self, free: &dyn Fn(Field) -> bool) {
        let (mut extracted, mut others) = (Vec::new(), Vec::new());
        let (mut policy_level, mut account, mut region): (Option<String>, _, _) = (None, None, None);
        let mut sort = |key: String, value: Box<RawValue>, is_extracted: bool| {
            let place = match key.as_str() {
                "policyLevel" if !is_extracted => Some(&mut policy_level),
                // The system fields stand among what is extracted, or beside.
                "@aws.account" => Some(&mut account),
                "@aws.region" => Some(&mut region),
                _ => None,
            };
            match place.and_then(|place| Some((place, serde_json::from_str(value.get()).ok()?))) {
                Some((place, text)) => *place = Some(text),
                None => if is_extracted { &mut extracted } else { &mut others }.push((key, value)),
            }
        };
        for (key, value) in self.metadata.extra().iter().into_iter().chain(self.event.extra.iter()) {
            if key == "extractedFields" && value.get().starts_with('{') {
                members(value.get()).into_iter().for_each(|(key, value)| sort(key, value, true));
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
                let text = serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned());
                let shown = self.options.redact.hide_text(text.as_bytes()).unwrap_or_default().into_owned();
                json::write_lossy(self.out, &shown);
            }
            self.out.push(b'}');
        }
        if !others.is_empty() && free(Field::Envelope) {
            let mut text = vec![b'{'];
            for (key, value) in &others {
                json::write_member(&mut text, key, value);
            }
            text.push(b'}');
            let shown = self.options.redact.hide_text(&text).unwrap_or_default().into_owned();
            self.text(Field::Envelope, &shown);
        }
    }
}
