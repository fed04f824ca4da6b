//! The page in a real Chromium through WebDriver: search, histogram, one row whole, live updates, an entry that holds
//! a script, keys only, a phone's width, dark mode, and no script at all.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};

use crate::program::{PATIENCE, Program};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/logs/mysql-general.log");

/// Counted in the file by hand: entries of command Query whose statement holds `app_db` as a word part.
const QUERIES_WITH_APP_DB: &str = "2 entries";

struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    fn start() -> Driver {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is there: ./test installs Debian's chromium-driver");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok())
            .expect("chromedriver says its port");
        Driver { child, port }
    }

    async fn browser(&self, profile: &Path, preferences: Value) -> Client {
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let options = json!({"args": arguments, "prefs": preferences});
        let capabilities: Capabilities = json!({"goog:chromeOptions": options}).as_object().unwrap().clone();
        let mut builder = ClientBuilder::new(hyper_util_connector());
        builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{}", self.port)).await.unwrap()
    }
}

/// Plain HTTP is all that a driver on this machine needs.
fn hyper_util_connector() -> hyper_util::client::legacy::connect::HttpConnector {
    hyper_util::client::legacy::connect::HttpConnector::new()
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A command of Chromium's own protocol, which WebDriver has no words for.
#[derive(Debug)]
struct Chromium(&'static str, Value);

impl WebDriverCompatibleCommand for Chromium {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({"cmd": self.0, "params": self.1}).to_string()))
    }
}

/// A program that has delivered the example, a browser on its page.
struct Stage {
    program: Program,
    client: Client,
    log: std::path::PathBuf,
    _driver: Driver,
    _dir: tempfile::TempDir,
}

async fn stage(preferences: Value) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("general.log");
    fs::copy(EXAMPLE, &log).unwrap();
    let program = Program::run(&dir.path().join("data"), &["--tail", log.to_str().unwrap()]);
    crate::program::until("the example to be delivered", || (program.count() == 498).then_some(()));
    let driver = Driver::start();
    let client = driver.browser(&dir.path().join("profile"), preferences).await;
    client.goto(&program.page).await.unwrap();
    Stage { program, client, log, _driver: driver, _dir: dir }
}

impl Stage {
    async fn find(&self, css: &str) -> fantoccini::elements::Element {
        self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await.unwrap()
    }

    /// What all elements show, at one moment: a live update replaces them.
    async fn texts(&self, css: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(element => element.innerText.trim())";
        let texts = self.client.execute(script, vec![json!(css)]).await.unwrap();
        serde_json::from_value(texts).unwrap()
    }

    /// What the first element shows, once there is one.
    async fn text(&self, css: &str) -> String {
        self.find(css).await;
        self.texts(css).await.into_iter().next().unwrap()
    }

    /// Waits until a script in the page answers true.
    async fn until(&self, script: &str) {
        let poll = async {
            while self.script(script).await != json!(true) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, poll).await.unwrap_or_else(|_| panic!("waited in vain for: {script}"));
    }

    async fn script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    async fn end(self) {
        self.client.clone().close().await.unwrap();
        self.program.stop();
    }
}

#[tokio::test]
async fn a_search_shows_a_histogram_the_newest_entries_and_one_row_whole() {
    let stage = stage(json!({})).await;
    stage.find(".histogram rect.bar").await;
    assert_eq!(stage.text(".total").await, "498 entries");
    let times = stage.texts(".entry time").await;
    assert_eq!(times.len(), 50);
    assert!(times.windows(2).all(|pair| pair[0] >= pair[1]), "newest first");
    assert_eq!(stage.texts(".heads span").await, ["Time", "PID", "Perform", "Statement"]);

    let search = stage.find("#q").await;
    search.send_keys("Perform:Query AND Statement:app_db").await.unwrap();
    search.send_keys(&String::from(char::from(Key::Enter))).await.unwrap();
    stage.until("return location.search.includes('app_db') && document.readyState === 'complete'").await;
    assert_eq!(stage.text(".total").await, QUERIES_WITH_APP_DB);
    let performs = stage.texts(".entry .perform").await;
    assert!(!performs.is_empty() && performs.iter().all(|perform| perform == "Query"), "{performs:?}");
    let statements = stage.texts(".entry .statement").await;
    assert!(statements.iter().all(|statement| statement.contains("app_db")), "{statements:?}");

    let row = stage.find(".entry").await;
    let pid = stage.text(".entry .pid").await;
    row.click().await.unwrap();
    let source: Value = serde_json::from_str(&stage.text("pre.source").await).unwrap();
    let names: Vec<&String> = source.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["@timestamp", "Time", "PID", "Perform", "Statement", "owner", "log_group", "log_stream", "event_id"]
    );
    assert_eq!(source["PID"].to_string(), pid);
    assert_eq!(source["Perform"], "Query");
    stage.end().await;
}

#[tokio::test]
async fn what_has_not_changed_is_not_replaced() {
    let stage = stage(json!({})).await;
    stage.find(".entry").await;
    let watch = "window.asked = 0; window.replaced = 0;
        const fetched = window.fetch;
        window.fetch = (...what) => { window.asked += 1; return fetched(...what); };
        new MutationObserver(() => { window.replaced += 1; }).observe(document.getElementById('results'), {childList: true})";
    stage.script(watch).await;
    // When it asks for the second time, the first answer was looked at.
    stage.until("return window.asked >= 2").await;
    assert_eq!(stage.script("return window.replaced").await, json!(0));
    stage.end().await;
}

#[tokio::test]
async fn a_new_entry_appears_by_itself_and_a_script_in_it_is_only_text() {
    let stage = stage(json!({})).await;
    stage.script("window.untouched = true").await;
    let mut log = OpenOptions::new().append(true).open(&stage.log).unwrap();
    let statement = "SELECT '<script>document.title = \"taken\"</script><img src=x onerror=document.title=1>'";
    writeln!(log, "2026-11-24T10:00:00.000000Z\t 4711 Query\t{statement}").unwrap();
    stage.until("return [...document.querySelectorAll('.pid')].some(pid => pid.textContent === '4711')").await;
    assert_eq!(stage.script("return window.untouched").await, json!(true), "the page was not loaded anew");
    assert_eq!(stage.text(".entry .statement").await, statement);
    stage.find(".entry").await.click().await.unwrap();
    let shown = stage.text("pre.source").await;
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["Statement"], statement);
    assert_eq!(stage.client.title().await.unwrap(), "Entry – Hydrant");
    assert_eq!(stage.script("return document.querySelectorAll('main script, main img').length").await, json!(0));
    stage.end().await;
}

#[tokio::test]
async fn keys_alone_reach_the_search_and_an_entry() {
    let stage = stage(json!({})).await;
    let press =
        |keys: &'static str| async { stage.client.active_element().await.unwrap().send_keys(keys).await.unwrap() };
    stage.script("document.activeElement.blur()").await;
    stage.find("body").await.send_keys("/").await.unwrap();
    assert_eq!(stage.script("return document.activeElement.id").await, json!("q"));
    press("Perform:Quit").await;
    press("\u{e007}").await;
    stage.until("return location.search.includes('Quit') && document.readyState === 'complete'").await;
    stage.script("document.getElementById('q').focus()").await;
    for _ in 0..200 {
        if stage.script("return document.activeElement.className === 'entry'").await == json!(true) {
            break;
        }
        press("\u{e004}").await;
    }
    let outline = "return getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(stage.script(outline).await, json!("solid"), "the focus is visible");
    press("\u{e007}").await;
    let source: Value = serde_json::from_str(&stage.text("pre.source").await).unwrap();
    assert_eq!(source["Perform"], "Quit");
    stage.end().await;
}

#[tokio::test]
async fn a_phone_and_a_dark_scheme_are_served_too() {
    let stage = stage(json!({})).await;
    let phone = json!({"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": true});
    stage.client.issue_cmd(Chromium("Emulation.setDeviceMetricsOverride", phone)).await.unwrap();
    let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
    stage.client.issue_cmd(Chromium("Emulation.setEmulatedMedia", dark)).await.unwrap();
    stage.client.refresh().await.unwrap();
    stage.find(".entry").await;
    assert_eq!(stage.script("return window.innerWidth").await, json!(360));
    assert_eq!(stage.script("return document.documentElement.scrollWidth").await, json!(360), "nothing sticks out");
    let brightness = |property: &str| {
        format!(
            "return getComputedStyle(document.body).{property}.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0)"
        )
    };
    assert!(stage.script(&brightness("backgroundColor")).await.as_u64().unwrap() < 150, "the ground is dark");
    assert!(stage.script(&brightness("color")).await.as_u64().unwrap() > 600, "the text is light");
    stage.find(".entry").await.click().await.unwrap();
    stage.find("pre.source").await;
    assert_eq!(stage.script("return document.documentElement.scrollWidth").await, json!(360), "nor on an entry's page");
    stage.end().await;
}

#[tokio::test]
async fn times_stand_in_utc_and_in_the_viewers_zone() {
    let stage = stage(json!({})).await;
    let tokyo = json!({"timezoneId": "Asia/Tokyo"});
    stage.client.issue_cmd(Chromium("Emulation.setTimezoneOverride", tokyo)).await.unwrap();
    stage.client.refresh().await.unwrap();
    stage.find(".entry time .local").await;
    let shown = stage.script("const time = document.querySelector('.entry time'); return [time.dateTime, time.firstChild.textContent, time.title]").await;
    let utc = shown[0].as_str().unwrap();
    assert_eq!(shown[1].as_str().unwrap(), utc.trim_end_matches('Z').replace('T', " "));
    assert!(shown[2].as_str().unwrap().contains("Asia/Tokyo"), "{shown}");
    stage.end().await;
}

#[tokio::test]
async fn the_page_works_without_its_script() {
    let stage = stage(json!({"profile.managed_default_content_settings.javascript": 2})).await;
    let search = stage.find("#q").await;
    search.send_keys("Perform:\"Init DB\"").await.unwrap();
    stage.find(".search button").await.click().await.unwrap();
    let wait = stage.client.wait().at_most(PATIENCE).every(Duration::from_millis(20));
    wait.for_element(Locator::Css("input[value='Perform:\"Init DB\"']")).await.unwrap();
    let performs = stage.texts(".entry .perform").await;
    assert!(!performs.is_empty() && performs.iter().all(|perform| perform == "Init DB"), "{performs:?}");
    stage.find(".entry").await.click().await.unwrap();
    stage.find("pre.source").await;
    stage.end().await;
}
