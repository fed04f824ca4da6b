//! What people paste into Dev Tools of OpenSearch Dashboards.

use anyhow::Result;

use super::super::output;
use crate::index::opensearch::files;
use crate::index::opensearch::parts::Object;
use crate::index::opensearch::template::Wanted;

pub(super) fn print(objects: &[Object], wanted: &Wanted) -> Result<()> {
    Ok(output::line(text(objects, wanted).trim_end())?)
}

fn text(objects: &[Object], wanted: &Wanted) -> String {
    let mut text = String::new();
    for object in objects {
        if let Some(plugin) = object.kind.plugin() {
            text.push_str(&format!("# Needs the {plugin} plug-in.\n"));
        }
        let path = object.path();
        text.push_str(&format!("PUT {}\n{:#}\n\n", path.trim_start_matches('/'), object.body));
    }
    text.push_str("# Dev Tools cannot take saved objects. Put the lines below, without their number signs, into a file that ends in\n");
    text.push_str("# .ndjson, and import it in Dashboards under Dashboards Management > Saved objects; or run this command with --dashboards.\n");
    for line in files::ndjson(&wanted.base(), wanted.profile).lines() {
        text.push_str(&format!("# {line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use hydrant_transform::document::{Profile, Rotation};
    use hydrant_transform::entry::Format;

    use super::*;

    #[test]
    fn every_part_is_a_request_of_its_own_and_saved_objects_are_comments() {
        let wanted = Wanted { formats: vec![Format::General], ..Wanted::new("hydrant-{format}", Profile::Classic) };
        let mut objects: Vec<Object> = wanted.templates(wanted.shape(3)).into_iter().map(Object::from).collect();
        objects.push(Object::policy("hydrant", &wanted.patterns(), 7, Rotation::OneDay));
        let text = text(&objects, &wanted);
        assert!(text.starts_with("PUT _index_template/hydrant-general\n{\n"), "{text}");
        assert!(text.contains("\n\n# Needs the index management plug-in.\nPUT _plugins/_ism/policies/hydrant\n{\n"));
        let requests: Vec<&str> = text.split("PUT ").skip(1).collect();
        assert_eq!(requests.len(), 2);
        for request in requests {
            let body = request.split_once('\n').unwrap().1.split("\n\n").next().unwrap();
            assert!(serde_json::from_str::<serde_json::Value>(body).unwrap().is_object());
        }
        assert!(text.lines().last().unwrap().starts_with("# {\"type\":\"dashboard\""));
    }
}
