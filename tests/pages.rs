//! The pages as people use them, in Chromium: the feed, letters, alerts, files, moderation, the chat.
//!
//! Here: what each page shows, on a telephone and on a desk, by day and by night, by hand and by keyboard;
//! that the console stays silent. The scripts of `web/e2e` do what a person would; pictures of every page
//! are left in `artefacts/`. Not here: going live and watching (`interop.rs`, `players.rs`), what the API
//! answers (`api`).

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use support::api::{Member, PASSWORD};
use support::mail::MailServer;
use support::page::Page;
use support::peer::output_of;
use support::source::{self, Pace, Source, USUAL, VIDEO, Video};
use support::{House, artefacts, http, wait, worker};

/// Where letters say that the site is.
const SITE: &str = "https://live.example.org";
/// For anything done at once.
const SOON: Duration = Duration::from_secs(60);
/// An IDR every second: nobody waits long for a picture.
const BRISK: Source = Source { video: Some(Video { gop: 30, ..VIDEO }), ..USUAL };

#[test]
fn letters_lead_to_pages_that_verify_an_address_and_choose_a_password_in_chromium() {
    let mails = MailServer::start();
    let settings = mails.settings(SITE);
    let settings: Vec<(&str, &str)> =
        settings.iter().map(|(key, value)| (*key, &**value)).collect();
    let house = House::start_with(&settings);
    let folder = pictures("letters");
    let mut page = Page::open_with("letters.mjs", &house, "", &[&folder]);
    page.hear();

    page.ask("register fatou@example.org");
    let letter = mails.next();
    assert_eq!(letter.to, "fatou@example.org");
    let link = letter.link(SITE).replace(SITE, &house.url(""));
    assert!(link.contains("/verification#"), "{link}");
    let shown = page.ask(&format!("open {link}"));
    assert!(says(&shown["text"], "Votre adresse est vérifiée"), "{shown}");
    assert_eq!(shown["address"], house.url("/verification"), "the secret leaves the address bar");
    assert_eq!(page.ask("look verified")["wide"], json!([]));
    let again = page.ask(&format!("open {link}"));
    assert!(says(&again["text"], "n'est plus valable"), "{again}");

    let asked = page.ask("ask fatou@example.org");
    assert!(says(&asked["said"], "e-mail vient de lui être envoyé"), "{asked}");
    assert_eq!(page.ask("look password-asked")["wide"], json!([]));
    let link = mails.next().link(SITE).replace(SITE, &house.url(""));
    assert!(link.contains("/mot-de-passe#"), "{link}");
    let shown = page.ask(&format!("open {link}"));
    assert_eq!(shown["title"], "Nouveau mot de passe");
    assert_eq!(shown["address"], house.url("/mot-de-passe"));
    let short = page.ask("choose court court");
    assert_eq!(short["errors"], json!(["Au moins 8 caractères."]));
    assert_eq!(short["focused"], "field-password", "who errs may correct at once");
    let differ = page.ask("choose nouveau-passe autre-passe");
    assert_eq!(differ["errors"], json!(["Les mots de passe ne correspondent pas."]));
    assert_eq!(differ["focused"], "field-password_confirm");
    assert_eq!(page.ask("look password-wrong")["wide"], json!([]));
    let chosen = page.ask("choose nouveau-passe nouveau-passe");
    assert!(says(&chosen["said"], "Mot de passe modifié"), "{chosen}");
    assert_eq!(page.ask("look password-chosen")["wide"], json!([]));

    page.ask(&format!("open {link}"));
    let over = page.ask("choose encore-un-passe encore-un-passe");
    assert!(says(&over["errors"], "n'est plus valable"), "{over}");
    let old = page.ask(&format!("sign-in fatou@example.org {PASSWORD}"));
    assert_eq!(old["signed_in"], false, "{old}");
    assert_eq!(page.ask("look sign-in-wrong")["wide"], json!([]));
    assert_eq!(page.ask("sign-in fatou@example.org nouveau-passe")["signed_in"], true);
    assert_eq!(page.ask("quit")["errors"], json!([]));
}

#[test]
fn alerts_are_offered_and_what_is_pushed_is_shown_in_chromium() {
    let house = House::start();
    let seen = Page::open_with("alerts.mjs", &house, "", &[&pictures("alerts")]).hear();
    assert!(says(&seen["refused"], "bloque les notifications"), "{seen}");
    // It has no push service to subscribe to: that is said, and the switch is off.
    assert_eq!(seen["allowed"]["on"], false, "{seen}");
    assert!(says(&seen["allowed"]["said"], "n'a pas pu activer les alertes"), "{seen}");
    let mut shown = seen["shown"].as_array().expect("notifications").clone();
    shown.sort_by_key(|one| one["title"].to_string());
    assert_eq!(
        shown,
        [
            json!({"title": "CommuniConnect", "body": "Vous avez une nouvelle notification", "tag": ""}),
            json!({"title": "Fatou a fini", "body": "Madina", "tag": "live-1", "url": "/live/k3nw0d"}),
        ]
    );
    assert_eq!(seen["opened"], house.url("/live/k3nw0d"));
    assert_clean(&seen);
}

#[test]
fn two_people_talk_beside_a_live_in_chromium() {
    let house = House::start();
    let live = house.live();
    let url = house.rtmp_url(&live.key);
    let _encoder = source::push_by_ffmpeg(&BRISK.flv(), &url, Pace::Endless, house.folder());
    let arguments = [&*pictures("chat"), &live.watch_page(), &live.member.email];
    let told = Page::open_with("chat.mjs", &house, "", &arguments).hear();
    let seen = &told["seen"];
    assert_eq!(seen["spoken"], json!({"author": "Binta Baldé : Bonjour à tous", "viewer": ""}));
    assert!(says(&seen["reply"], "Vous Bonjour à tous"), "{seen}");
    assert_eq!(seen["reacted"], "j’adore, 1 personne");
    assert_eq!(seen["both"], json!({"label": "j’adore, 2 personnes", "own": "true"}));
    assert_eq!(seen["tookBack"], json!({"label": "j’adore, 1 personne", "own": "false"}));
    assert!(says(&seen["slow"], "Un message toutes les 60 s"), "{seen}");
    assert!(says(&seen["slowed"], "Prochain message dans"), "{seen}");
    assert!(says(&seen["lost"], "Connexion perdue"), "{seen}");
    assert_eq!(seen["kept"], "Écrit pendant la coupure", "what could not be said is not lost");
    assert_eq!(seen["twice"], 0, "{seen}");
    let keys = ["chat-more", "chat-more", "chat-words", "chat-words"];
    assert_eq!(seen["keys"], json!(keys), "{seen}");
    assert_eq!(seen["removed"], "Message supprimé.");
    assert!(says(&seen["orphan"], "un message retiré"), "{seen}");
    assert!(says(&seen["banned"], "Vous ne pouvez plus écrire"), "{seen}");
    assert_eq!(seen["silenced"], true);
    assert!(says(&seen["over"], "terminé"), "{seen}");
    assert_clean(&told);
}

#[test]
fn a_live_that_is_over_is_played_again_at_its_address_and_sought_by_thumbnails_in_chromium() {
    let house = worker::start(&[("PICTURES__EVERY_S", "2"), ("PACKAGER__WINDOW_MS", "12000")]);
    let live = house.live();
    let folder = pictures("recording");
    let url = house.rtmp_url(&live.key);
    // Until the page is there, which takes a browser a while.
    let encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Endless, house.folder());
    let arguments = [&*folder, &live.watch_page(), &live.member.email];
    let mut page = Page::open_with("recording.mjs", &house, "", &arguments);
    page.hear();
    let card = format!("/hls/{}/poster.jpg", live.name);
    wait::until_true("the live has a picture", SOON, || house.get(&card).status == 200);
    assert_eq!(page.ask("lives"), json!({"posters": 1}));
    page.ask("watch");
    drop(encoder);
    live.stop();
    let again = page.ask("again");
    assert!(says(&again["said"], "Le direct est terminé"), "{again}");
    assert!(again["time"].as_f64().is_some_and(|it| it < 10.0), "from its beginning: {again}");

    let index = format!("/vod/{}/thumbnails.vtt", live.name);
    wait::until_true("the recording has thumbnails", SOON, || house.get(&index).status == 200);
    let opened = page.ask("open");
    assert!(says(&opened["lasts"], "de données"), "{opened}");
    assert_eq!(opened["loaded"], json!([]), "no media is loaded unasked");
    let played = page.ask("play");
    let [_, length] = played["time"].as_str().expect("times").split(" / ").collect::<Vec<_>>()[..]
    else {
        panic!("{played}")
    };
    let length = seconds_of(length);
    assert_eq!(played["thumbnails"], json!([]), "nobody has begun to seek");
    let pointed = page.ask("point");
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    let middle = number(&pointed["seconds"]);
    assert!((middle - length / 2.0).abs() < 1.0, "{pointed}, of {length} s");
    let from = number(&pointed["from"]);
    assert!(from <= middle && middle < from + 4.0, "the thumbnail of that time: {pointed}");
    let picture = &pointed["picture"];
    assert_eq!((&picture["width"], &picture["height"]), (&json!(160), &json!(90)), "{pointed}");
    let sought = page.ask("seek");
    assert!((number(&sought["time"]) - middle).abs() < 0.5, "{sought}");
    assert!(says(&sought["said"], " sur "), "{sought}");
    let keys = page.ask("keys");
    let [right, left, end] = ["right", "left", "end"].map(|key| number(&keys[key]));
    // How long it is depends on how soon the page was there.
    let five_later = (number(&sought["time"]) + 5.0).min(end);
    assert!((right - five_later).abs() < 0.1, "{keys} from {sought}");
    assert!((left - (right - 5.0).max(0.0)).abs() < 0.1, "{keys}");
    assert!((end - length).abs() < 1.1, "{keys}");
    let dragged = page.ask("drag");
    assert!(number(&dragged["held"]) < 1.0 && number(&dragged["from"]) == 0.0, "{dragged}");
    assert!(number(&dragged["before"]) > length / 2.0, "it seeks when it is let go: {dragged}");
    assert_eq!(page.ask("speed"), json!({"rate": 1.5}));

    assert_eq!(page.ask("strangers"), json!({"file": null}), "its author allows nobody yet");
    let file = page.ask("file");
    assert!(says(&file["offered"], "Télécharger (MP4, "), "{file}");
    assert!(says(&file["name"], ".mp4") && number(&file["bytes"]) > 100_000.0, "{file}");
    assert!(says(&file["said"], "commence"), "{file}");
    assert_eq!(page.ask("allow"), json!({"allowed": true}));
    assert!(says(&page.ask("strangers")["file"], "Se connecter pour télécharger"));
    let cut = page.ask("cut");
    assert_eq!(cut["hidden"], 0, "nobody asked for it: {cut}");
    assert_eq!(cut["wrong"], "Écrivez un temps comme 1:23.", "{cut}");
    assert_eq!(cut["focused"], "start", "{cut}");
    assert_eq!(cut["chosen"], json!(["0:00", format!("0:{:02}", end.ceil())]), "{cut}");
    assert!(says(&cut["lasts"], &format!("{} seconde", end.ceil())), "{cut}");
    let marked = number(&cut["marked"]);
    assert!((0.85..=1.0).contains(&marked), "all of the seek bar, less its knob: {cut}");
    assert_eq!(cut["focus"], "clip-made", "{cut}");
    let posts = live.member.get("/api/posts/").json();
    let clip = &posts["results"][0];
    assert_eq!(clip["title"], "Le plus beau moment", "{posts:#}");
    assert_eq!(cut["link"], format!("/post/{}", clip["id"]));
    assert_eq!(clip["media_files"][0]["media_type"], "video", "{posts:#}");
    let cards = page.ask("recordings");
    assert_eq!(cards["posters"], 1);
    assert!(says(&cards["lasts"], "0:"), "{cards}");
    assert_clean(&page.ask("quit"));
}

#[test]
fn two_neighbours_write_read_like_comment_and_share_in_chromium() {
    let house = worker::start(&[]);
    let folder = pictures("feed");
    // So much is done that it is told in parts.
    let mut page = Page::open_with("feed.mjs", &house, "", &[&folder]);

    let begun = page.hear();
    assert!(says(&begun["empty"], "Soyez la première personne"), "{begun}");
    let written = page.hear();
    let text = "Le marché de Kipé est ouvert !";
    assert_eq!(written["draft"], json!({"text": text, "type": true}), "a reload loses nothing");
    assert!(says(&written["progress"], "Envoi : "), "{written}");
    assert_eq!(written["dropped"], 3);
    assert_eq!(written["moved"], "photo-1.jpg : place 2 sur 3");
    assert!(says(&written["waits"], "Envoi des fichiers : "), "{written}");
    assert!(says(&written["published"], text), "{written}");
    assert_eq!(written["pictures"], 3);
    assert_eq!(written["smaller"], true, "pictures shrink before they travel: {written}");
    assert_eq!(written["drafts"], 0, "what is published is no draft any more");

    let read = page.hear();
    assert!(says(&read["found"], text), "{read}");
    assert_eq!(read["large"], "Photo 2 sur 3");
    assert_eq!(read["focusBack"], "post-picture");
    assert!(says(&read["refused"], "n'a pas pu être enregistré"), "{read}");
    assert_eq!(read["takenBack"], "false", "a like that is refused is no like");
    assert_eq!(read["liked"], "Vous aimez cette publication. 1 J’aime.");
    assert_eq!(read["pressed"], "true");
    assert!(says(&read["commented"], "Bravo, on y sera demain."), "{read}");
    assert!(says(&read["shared"], "partagé"), "{read}");
    let links = read["links"].as_array().expect("links");
    let hosts = ["wa.me/", "facebook.com/", "t.me/", "x.com/", "mailto:"];
    for (link, host) in links.iter().zip(hosts) {
        assert!(says(link, host) && says(link, "%2Fpost%2F"), "{link} leads to the post by {host}");
    }
    assert_eq!(read["counts"], "1 J’aime 1 commentaire 1 partage");
    assert!(says(&read["reported"], "sera examiné"), "{read}");

    let heard = page.hear();
    assert!(says(&heard["heard"], "Mamadou"), "it is told while the page is open: {heard}");
    assert_eq!(heard["news"].as_array().map(Vec::len), Some(3), "{heard}");
    for words in ["a aimé", "a commenté", "a partagé"] {
        assert!(says(&heard["news"], words), "{words} in {heard}");
    }
    assert_eq!(heard["preferred"], "Réglage enregistré.");
    assert!(heard["address"].as_str().is_some_and(|it| it.starts_with("/post/")), "{heard}");
    assert!(says(&heard["replied"], "À demain alors !"), "{heard}");
    assert!(says(&heard["answered"], "Aïssatou"), "{heard}");
    assert_eq!(heard["edited"], "Publication modifiée.");

    let many = page.hear();
    assert_eq!(many["more"]["first"], 20);
    assert_eq!(many["more"]["then"], 25, "{many}");
    assert_eq!(many["more"]["focus"], "LI", "who asks by keyboard reads on there: {many}");
    assert_eq!(many["scrolled"], 25);
    assert_eq!(many["filtered"], "?type=help");
    assert!(says(&many["searched"], "tous les jours"), "{many}");
    assert!(says(&many["nothing"], "Aucune publication avec"), "{many}");

    let known = page.hear();
    assert_eq!(known["bio"], "Je vends du poisson au marché.");
    assert_eq!(known["picture"], "Photo enregistrée.");
    assert_eq!(known["member"], "Aïssatou Diallo");
    assert_eq!(known["back"], "marche", "who comes back finds what he had found");
    assert_eq!(known["removed"], "Publication supprimée.");

    let told = page.hear();
    assert_clean(&told);
    assert_eq!(told["barriers"], json!([]), "WCAG 2.2 AA");
}

#[test]
fn a_live_is_gone_back_in_and_caught_up_with_in_chromium() {
    let house = worker::start(&[("PICTURES__EVERY_S", "2"), ("PACKAGER__WINDOW_MS", "12000")]);
    let live = house.live();
    let folder = pictures("rewind");
    let url = house.rtmp_url(&live.key);
    let _encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Endless, house.folder());
    let mut page = Page::open_with("rewind.mjs", &house, "", &[&folder, &live.watch_page()]);
    page.hear();
    let watched = page.ask("watch");
    assert_eq!(watched["lists"], json!([]), "nobody went back, and nothing is loaded for it");
    assert_eq!(watched["said"], "En direct");
    let of_live = house.get(&live.fmp4()).text();
    let list = of_live.lines().find(|it| !it.starts_with('#')).expect("a media playlist");
    wait::until_true("there is half a minute, and not in the window", SOON, || {
        let text = house.get(&format!("/hls/{list}")).text();
        let first = text.lines().find_map(|it| it.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
        first.is_some_and(|it| it.parse().is_ok_and(|msn: u64| msn >= 8))
    });
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    let pointed = page.ask("point");
    assert!(says(&pointed["text"], "−0:"), "{pointed}");
    assert!((number(&pointed["from"]) - number(&pointed["seconds"])).abs() < 4.0, "{pointed}");
    assert_eq!(pointed["picture"], json!({"width": 160, "height": 90}), "{pointed}");
    let beginning = page.ask("beginning");
    assert!(number(&beginning["date"]) < 4.0, "from its first picture: {beginning}");
    assert!(says(&beginning["said"], "avant le direct"), "{beginning}");
    assert!(says(&beginning["before"], "−0:"), "{beginning}");
    let lists = beginning["lists"].as_array().expect("playlists");
    let session = |url: &Value| {
        url.as_str().and_then(|it| it.split_once("session=")).map(|(_, session)| session.to_owned())
    };
    let [multivariant, list, ..] = &lists[..] else { panic!("{beginning}") };
    assert!(
        says(multivariant, "-rewind.m3u8?from=") && says(list, "/source-rewind.m3u8?"),
        "{beginning}"
    );
    assert!(
        session(list).is_some() && session(multivariant) == session(list),
        "he stays the same viewer"
    );
    // It goes on from there, and by keys within what is there.
    let keys = page.ask("keys");
    let [from, right, left] = ["from", "right", "left"].map(|key| number(&keys[key]));
    assert!((right - from - 10.0).abs() < 2.5, "{keys}");
    assert!((left - right + 10.0).abs() < 2.5, "{keys}");
    let edge = page.ask("edge");
    assert_eq!(edge["said"], "En direct", "{edge}");
    assert!(number(&edge["latency"]) < 8.0, "{edge}");
    let again = page.ask("step");
    assert!(number(&again["behind"]) > 5.0, "ten seconds back by a key: {again}");
    assert_eq!(page.ask("button")["rewound"], false);
    assert_clean(&page.ask("quit"));
}

#[test]
fn a_shared_live_shows_its_picture_and_plays_on_other_pages_in_chromium() {
    let house = worker::start(&[("PICTURES__EVERY_S", "2")]);
    let live = house.live();
    let url = house.rtmp_url(&live.key);
    let shared = || house.get(&live.watch_page()).text();
    assert!(shared().contains("content=\"Bientôt en direct : "), "{}", shared());
    let _encoder = source::push_by_ffmpeg(&BRISK.flv(), &url, Pace::Endless, house.folder());
    let picture = format!("content=\"{}", house.url(&format!("/hls/{}/poster.jpg?v=", live.name)));
    let on = "<meta property=\"og:title\" content=\"EN DIRECT : ";
    wait::until_true("it is on, and has a picture", SOON, || {
        let page = shared();
        page.contains(&picture) && page.contains(on)
    });

    let asked = format!("/oembed?url={}&maxwidth=480", house.url(&live.watch_page()));
    assert!(shared().contains(asked.split('&').next().expect("an address")), "it leads to oEmbed");
    let embed = house.get(&asked).json();
    assert_eq!(
        (&embed["type"], &embed["width"], &embed["height"]),
        (&json!("video"), &json!(480), &json!(270))
    );
    let html = embed["html"].as_str().expect("HTML");
    let arguments = [&*pictures("embed"), &live.watch_page(), html];
    let told = Page::open_with("embed.mjs", &house, "", &arguments).hear();
    let seen = &told["seen"];
    assert!(seen["moves"].as_f64() > Some(0.9), "{seen}");
    assert!(says(&seen["way"]["text"], "Voir sur CommuniConnect"), "{seen}");
    assert_eq!(seen["way"]["href"], house.url(&live.watch_page()));
    assert_eq!(seen["header"], 0, "the picture, and the way to the site");
    assert_eq!(seen["sideways"], json!([0, 0]), "{seen}");
    assert_eq!(seen["refused"], true, "the page itself is in nobody's frame");
    assert_eq!(told["errors"], json!([]), "{told}");

    for (url, status) in [("http://ailleurs.test/", 404), ("/live/nobody", 404)] {
        assert_eq!(house.get(&format!("/oembed?url={url}")).status, status, "{url}");
    }
    assert_eq!(house.get(&format!("{asked}&format=xml")).status, 501);
}

#[test]
fn a_file_goes_on_over_a_broken_link_and_its_conversion_is_followed_in_chromium() {
    let house = worker::start(&[]);
    let film = film(&house, 3);
    let size = fs::metadata(&film).expect("the film").len();
    assert!((12_000_000..48_000_000).contains(&size), "{size} bytes do not break in the middle");
    let arguments = [&*pictures("media"), &film.display().to_string()];
    let told = Page::open_with("media.mjs", &house, "", &arguments).hear();
    let seen = &told["seen"];
    assert!(says(&seen["refused"], "Ce fichier n'a pas été accepté"), "{seen}");
    assert_eq!(seen["queued"], 1, "a weak link does not get faster by more");
    assert_eq!(seen["forgotten"], "{}");
    assert_eq!(seen["asked"], "beforeunload", "who leaves meanwhile is asked");
    assert!(says(&seen["broken"], "l'envoi reprendra où il s'est arrêté"), "{seen}");
    let resent = seen["resent"].as_f64().expect("a share");
    assert!((0.3..0.8).contains(&resent), "{resent} of the file went after the half that arrived");
    // Who comes back is shown how far it is, unless it was faster.
    let is_ready = seen["afterReload"] == "shown";
    assert!(is_ready || says(&seen["explained"], "le travail continue"), "{seen}");
    assert!(is_ready || says(&seen["told"], "est prêt"), "{seen}");
    assert_eq!(seen["removed"], "Fichier supprimé.");
    assert_clean(&told);
}

#[test]
fn a_conversion_that_fails_says_why_also_later_in_chromium() {
    let folder = tempfile::tempdir().expect("a folder");
    let dying = worker::dying(folder.path());
    let house = worker::start(&[("API__WORKSHOP__WORKER", &dying), ("API__WORKSHOP__TRIES", "1")]);
    let arguments = [&*pictures("media"), &film(&house, 1).display().to_string(), "fails"];
    let told = Page::open_with("media.mjs", &house, "", &arguments).hear();
    for when in ["failed", "afterReload"] {
        let said = &told["seen"][when];
        assert!(says(said, "Envoyez-la dans un autre format"), "{told}");
    }
    assert_clean(&told);
}

#[test]
fn an_admin_looks_at_what_waits_and_at_what_is_reported_in_chromium() {
    let house = worker::start(&[("API__MODERATION__REVIEW", "true")]);
    let (admin, member) = (house.member(), house.member());
    run(&house, &["user", "role", &admin.email, "admin"]);
    let pictures_of = |name: &str, filter: &str| {
        let path = house.folder().join(name);
        ffmpeg(&["-f", "lavfi", "-i", filter, "-frames:v", "1"], &path);
        bring(&house, &member, &path)
    };
    let first = pictures_of("marche.jpg", "testsrc2=s=1280x720");
    let second = pictures_of("enfant.jpg", "smptebars=s=640x480");
    let post = json!({"title": "À vendre", "content": "Deux sacs de riz", "post_type": "info"});
    let post = send(&house, &member, "/api/posts/", &post);
    let report = json!({"reason": "C'est une escroquerie."});
    send(&house, &admin, &format!("/api/posts/{}/report/", post["id"]), &report);
    let report = json!({"reason": ""});
    send(&house, &member, &format!("/api/posts/{}/report/", post["id"]), &report);

    let arguments = [&*pictures("moderation"), &admin.email, &member.email];
    let told = Page::open_with("moderation.mjs", &house, "", &arguments).hear();
    let seen = &told["seen"];
    assert_eq!(seen["member"]["linked"], 0, "who is no admin is not led there");
    assert!(!seen["member"]["said"].as_str().unwrap_or_default().is_empty(), "{seen}");
    assert_eq!(seen["count"], "2 fichiers");
    for words in ["marche.jpg", "Envoyé par Aïssatou Diallo"] {
        assert!(says(&seen["first"], words), "{seen}");
    }
    assert_eq!(seen["english"], "Moderation");
    assert_eq!(seen["approved"], "marche.jpg : accepté.");
    assert_eq!(seen["next"], "enfant.jpg", "what comes next is at hand");
    assert!(says(&seen["missing"], "Donnez un motif"), "{seen}");
    assert!(says(&seen["rejected"], "enfant.jpg : refusé"), "{seen}");
    assert!(says(&seen["why"], "On y voit le visage d'un enfant."), "{seen}");
    let reports = &seen["reports"];
    assert_eq!(reports.as_array().map(Vec::len), Some(2), "{reports}");
    for words in ["C'est une escroquerie.", "Deux sacs de riz", "Sans motif."] {
        assert!(says(reports, words), "{words} in {reports}");
    }
    assert!(says(&seen["closed"], "classé"), "{seen}");
    assert_clean(&told);
    for (media, status) in [(first, "approved"), (second, "rejected")] {
        let now = member.get(&format!("/api/posts/media/{}/", media["id"])).json();
        assert_eq!(now["approval_status"], status, "{now}");
    }
}

/// Nothing sticks out of the pages, and nobody complained.
#[track_caller]
fn assert_clean(told: &Value) {
    assert_eq!(told["wide"], json!([]));
    assert_eq!(told["errors"], json!([]));
}

/// Whether a text, or a list of them, has these words.
/// Of a time as the player shows it: `4:05`.
fn seconds_of(clock: &str) -> f64 {
    let parts = clock.split(':').map(|part| part.parse::<f64>().expect("a number"));
    parts.fold(0.0, |all, part| all * 60.0 + part)
}

fn says(value: &Value, words: &str) -> bool {
    value.to_string().replace('\u{a0}', " ").replace('’', "'").contains(&words.replace('’', "'"))
}

/// A folder that is kept, for the pictures of one subject.
fn pictures(subject: &str) -> String {
    let folder = artefacts().join(subject);
    fs::create_dir_all(&folder).expect("a folder for pictures");
    folder.display().to_string()
}

/// A film that no browser plays, of some five megabytes a second.
fn film(house: &House, seconds: u32) -> PathBuf {
    let path = house.folder().join("fete-du-quartier.avi");
    let picture = format!("testsrc2=s=960x540:r=25:d={seconds},noise=alls=24:allf=t");
    let sound = format!("sine=440:d={seconds}");
    let codecs = ["-c:v", "mjpeg", "-q:v", "4", "-pix_fmt", "yuvj420p", "-c:a", "mp3"];
    ffmpeg(
        &[&["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound], &codecs[..]].concat(),
        &path,
    );
    path
}

fn ffmpeg(arguments: &[&str], path: &Path) {
    let mut command = source::ffmpeg();
    command.args(arguments).arg("-y").arg(path);
    output_of(command, SOON);
}

/// Brings a picture.
#[track_caller]
fn bring(house: &House, member: &Member, file: &Path) -> Value {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail-with-body"]);
    command.args(["--header", &format!("Authorization: {}", member.bearer())]);
    command.args(["--form", &format!("file=@{}", file.display())]);
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    command.args(["--form", &format!("title={name}")]);
    command.arg(house.url("/api/posts/media/upload/"));
    serde_json::from_slice(&output_of(command, SOON)).expect("media")
}

#[track_caller]
fn send(house: &House, member: &Member, path: &str, body: &Value) -> Value {
    let headers = [("Authorization", &*member.bearer()), ("Content-Type", "application/json")];
    let answer = http::send(house.http, "POST", path, &headers, body.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{path}: {}", answer.text());
    answer.json()
}

/// Runs a command of the operator on the data of a server that runs.
#[track_caller]
fn run(house: &House, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_communiconnect-live"));
    command.envs(house.environment()).args(arguments);
    output_of(command, SOON);
}
