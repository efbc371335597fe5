//! Every template with every sample, and with hostile ones.

use std::fs;
use std::path::Path;

use super::*;

fn views() -> Views {
    Views::new(None).expect("the templates of the binary")
}

#[test]
fn every_page_renders_with_every_sample() {
    let views = views();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    fs::create_dir_all(&folder).expect("a folder to look into");
    for (template, sample, page) in page_samples() {
        for (look, chrome) in [("acme", samples::acme()), ("long", samples::landkreis())] {
            let html = views
                .render_value(template, page.clone(), &chrome)
                .unwrap_or_else(|error| panic!("{template} with {sample}: {error:#}"));
            let name = template.replace('/', "-").replace(".html", "");
            fs::write(folder.join(format!("{name}--{sample}--{look}.html")), html)
                .expect("written");
        }
    }
}
