//! Pages, as a browser without JavaScript asks for them. What they look like is another test's matter.

use tests::{
    server::{Setup, token},
    workplace::Workplace,
};

use super::{UNMANAGED, fresh, server, store};

#[test]
fn the_home_page_lists_what_there_is() {
    let page = server().request("GET", "/").for_page().send();
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let text = page.text();
    for link in [
        "/api/k8s/reports/ticketing-report-2025-01.xlsx",
        &format!("/api/k8s/reports/{UNMANAGED}"),
        "/editions/2025-01/2",
        "action=\"/start\"",
    ] {
        assert!(text.contains(link), "no {link}");
    }
    assert!(!text.contains("<script>") && !text.contains(" style="), "the content policy forbids that");
}

#[test]
fn lists_on_the_page_are_searched_and_ordered_by_links() {
    let server = server();
    let get = |query: &str| server.request("GET", &format!("/?{query}")).for_page().send();
    let found = get("search=edition-1");
    assert!(found.text().contains("2025-01-edition-1.xlsx") && !found.text().contains(UNMANAGED));
    let hostile = get("search=%3Cscript%3Ealert(1)%3C/script%3E");
    assert_eq!(hostile.status, 200);
    assert!(!hostile.text().contains("<script>alert"));
    assert_eq!(get("sort=colour").status, 400);
}

#[test]
fn an_editions_page_says_what_its_manifest_says() {
    let server = server();
    let page = server.request("GET", "/editions/2025-01/2").for_page().send();
    let manifest = server.get("/api/k8s/snapshots/2025-01").json(200);
    assert_eq!(page.status, 200);
    for value in [&manifest["workbook"]["sha256"], &manifest["digest"], &manifest["tables"]["trips"]["sha256"]] {
        assert!(page.text().contains(value.as_str().unwrap()), "{value}");
    }
    let missing = server.request("GET", "/editions/2025-01/9").for_page().send();
    assert_eq!((missing.status, missing.header("content-type")), (404, Some("text/html; charset=utf-8")));
}

#[test]
fn the_documentation_names_every_call() {
    let page = server().request("GET", "/docs").for_page().send();
    assert_eq!(page.status, 200);
    for route in server::router::routes().iter().filter(|route| route.path.starts_with("/api/")) {
        let named = format!("<code>{} {}</code>", route.method, route.path);
        assert!(page.text().contains(&named), "{named}");
    }
}

#[test]
fn a_report_is_started_and_cancelled_by_forms() {
    let (_work, _database, server) = fresh(&["--report-command", "/nowhere"]);
    let started = server.request("POST", "/start").form("period=custom&startDate=2025-01-01&endDate=2025-01-31").send();
    assert_eq!(started.status, 303);
    let place = started.header("location").unwrap();
    assert!(place.starts_with("/jobs/ticketing-report-"), "{place}");
    let _ = server.until_over(place.trim_start_matches("/jobs/"));
    let page = server.request("GET", place).for_page().send();
    assert!(page.status == 200 && page.text().contains("--report-command"), "the page says why it failed");
    let again = server.request("POST", &format!("{place}/cancel")).for_page().send();
    assert_eq!(again.status, 409);
    let wrong = server
        .request("POST", "/start")
        .for_page()
        .form("period=custom&startDate=2025-01-31&endDate=2025-01-01")
        .header("referer", &format!("http://{}/?search=a", server.address))
        .send();
    assert_eq!(wrong.status, 400);
    assert!(wrong.header("content-type").unwrap().starts_with("text/html") && wrong.text().contains("swap"));
    assert!(wrong.text().contains("href=\"/?search=a\"") && !wrong.text().contains("startDate"), "{}", wrong.text());
    let elsewhere = server.request("GET", "/jobs/none").for_page().header("referer", "https://evil.example/x").send();
    assert!(elsewhere.status == 404 && !elsewhere.text().contains(">Back<"), "{}", elsewhere.text());
}

#[test]
fn signing_in_makes_a_cookie_that_pages_take_and_signing_out_ends_it() {
    let work = Workplace::new();
    let server = Setup::new(&store()).tokens(work.path()).start();
    let home = server.request("GET", "/?search=2025").for_page().send();
    assert_eq!(home.status, 303);
    let place = home.header("location").unwrap().to_owned();
    assert_eq!(place, "/sign-in?next=%2F%3Fsearch%3D2025");
    let form = server.request("GET", &place).for_page().send();
    assert!(form.status == 200 && form.text().contains("value=\"/?search=2025\""), "{}", form.text());

    let sign_in = |token: &str, next: &str| {
        server.request("POST", "/sign-in").for_page().form(&format!("token={token}&next={next}")).send()
    };
    let wrong = sign_in("wrong", "%2F");
    assert!(wrong.status == 401 && wrong.header("set-cookie").is_none());
    assert_eq!(sign_in(&token("metrics"), "%2F").status, 401);
    let signed = sign_in(&token("viewer"), "%2F%3Fsearch%3D2025");
    assert_eq!((signed.status, signed.header("location")), (303, Some("/?search=2025")));
    let cookie = signed.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(&token("viewer")));
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with = |method: &str, path: &str| server.request(method, path).for_page().header("cookie", &cookie).send();
    let home = with("GET", "/");
    assert!(home.status == 200 && home.text().contains("the-viewer") && !home.text().contains("action=\"/start\""));
    let refused = with("POST", "/start");
    assert!(refused.status == 403 && refused.text().contains("the-viewer"), "{}", refused.text());
    let nowhere = with("GET", "/nowhere");
    assert!(nowhere.status == 404 && nowhere.text().contains("the-viewer"), "{}", nowhere.text());
    assert_eq!(with("GET", "/api/k8s/reports").status, 200);

    // Nobody is led elsewhere.
    for next in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2F%5Cevil.example", "evil", ""] {
        assert_eq!(sign_in(&token("viewer"), next).header("location"), Some("/"), "{next}");
    }
    let out = with("POST", "/sign-out");
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(with("GET", "/api/k8s/reports").status, 401);
}

#[test]
fn files_of_the_pages_are_kept_by_browsers_under_their_version() {
    let server = server();
    let page = server.request("GET", "/").for_page().send();
    let at = page.text().find("/assets/page.css?v=").unwrap();
    let address = page.text()[at..].split('"').next().unwrap();
    let asset = server.get(address);
    assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(asset.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(server.get("/assets/page.css").header("cache-control"), Some("no-cache"));
    let known = server.request("GET", address).header("if-none-match", asset.header("etag").unwrap()).send();
    assert!(known.status == 304 && known.body.is_empty());
}
