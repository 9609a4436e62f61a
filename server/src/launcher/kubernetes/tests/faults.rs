//! What goes wrong between the launcher and the cluster's API.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_cut_goes_on_and_one_that_is_too_old_begins_anew() {
    let scene = Scene::fine().await;
    for forgets in [false, true] {
        scene.go(false);
        let job = scene.launcher.start(&request("2025-01-01", if forgets { "2025-01-30" } else { "2025-01-31" })).await;
        let name = job.unwrap().job_name;
        for _ in 0..5 {
            if forgets {
                scene.cluster.until_called("list jobs", || scene.cluster.forget()).await;
            } else {
                scene.cluster.until_called("watch jobs", || scene.cluster.cut()).await;
            }
        }
        scene.go(true);
        if forgets {
            scene.cluster.forget()
        } else {
            scene.cluster.cut()
        }
        assert_eq!(until_over(&scene.launcher, &name).await.state, JobState::Succeeded);
    }
    assert!(scene.cluster.calls("list jobs") >= 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_known_is_named_and_waited_for() {
    let scene = Scene::fine().await;
    let job = scene.start().await;
    scene.cluster.know_token(false);
    scene.cluster.cut();
    let error = scene.launcher.start(&request("2025-02-01", "2025-02-28")).await.unwrap_err().to_string();
    assert!(error.contains("doesn't know the server's token (401)"), "{error}");
    let later = begin(&scene.client, &scene.store).await;
    let error = later.list().await.unwrap_err().to_string();
    assert!(error.contains("(401)"), "{error}");
    scene.cluster.know_token(true);
    assert_eq!(until_over(&scene.launcher, &job.job_name).await.state, JobState::Succeeded);
    until_over(&later, &job.job_name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verb_that_the_role_lacks_is_named_with_the_role() {
    let scene = Scene::fine().await;
    scene.go(false);
    let running = scene.launcher.start(&request("2025-02-01", "2025-02-28")).await.unwrap().job_name;
    until(&scene.launcher, &running, |job| job.state == JobState::Running).await;
    let lacks = |verb: &str, resource: &str| {
        format!(
            "forbidden: the server may not `{verb}` `{resource}` in the namespace `train-orchestrator`: its Role \
                 `train-orchestrator` is missing or incomplete; kubectl apply -f k8s/base/rbac.yaml"
        )
    };
    for (verb, resource) in [("list", "jobs"), ("get", "cronjobs"), ("create", "jobs")] {
        scene.cluster.forbid(verb, resource, true);
        let error = scene.error().await;
        assert_eq!(error, lacks(verb, resource));
        scene.cluster.forbid(verb, resource, false);
    }
    scene.cluster.forbid("delete", "jobs", true);
    let error = scene.launcher.cancel(&running).await.unwrap_err().to_string();
    assert_eq!(error, lacks("delete", "jobs"));
    scene.cluster.forbid("get", "pods/log", true);
    assert!(log(&scene.launcher, &running, true).await.contains(&lacks("get", "pods/log")));
    scene.go(true);
    assert_eq!(until_over(&scene.launcher, &running).await.state, JobState::Succeeded);
    assert!(scene.cluster.names("jobs").len() == 1, "nothing else was made");
}

#[test]
fn the_servers_role_allows_just_the_calls_that_the_launcher_makes() {
    let documents: Vec<Value> = serde_saphyr::from_multiple(include_str!("../../../../../k8s/base/rbac.yaml")).unwrap();
    let role = documents.iter().find(|document| document["kind"] == "Role").unwrap();
    let words = |rule: &Value, field: &str| -> Vec<String> { serde_json::from_value(rule[field].clone()).unwrap() };
    let mut allowed = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        for (group, resource) in words(rule, "apiGroups").iter().zip(words(rule, "resources")) {
            allowed.extend(words(rule, "verbs").into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
        }
    }
    allowed.sort();
    let made = calls::Call::ALL.map(|call| [call.group, call.resource, call.verb].map(str::to_owned).into());
    let mut made: Vec<(String, String, String)> = made.to_vec();
    made.sort();
    assert_eq!(allowed, made);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_launcher_makes_each_of_its_calls_and_no_other() {
    let scene = Scene::fine().await;
    scene.go(false);
    scene.launcher.parallel(None).await.unwrap();
    scene.cluster.fail("create", "jobs", &[Fault::SilenceAfter]);
    let job = scene.start().await.job_name;
    scene.cluster.forget();
    until(&scene.launcher, &job, |job| job.rows.is_some()).await;
    scene.launcher.cancel(&job).await.unwrap();
    until_over(&scene.launcher, &job).await;
    let expected = calls::Call::ALL.map(|call| format!("{} {}", call.verb, call.resource));
    assert_eq!(scene.cluster.all_calls(), expected.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_cronjob_it_says_how_to_make_it() {
    let scene = Scene::fine().await;
    scene.cluster.remove("cronjobs", "ticketing-report-cronjob");
    let expected = "there is no CronJob `ticketing-report-cronjob` in the namespace `train-orchestrator`; \
                    kubectl apply -f k8s/ticketing-report-job.yaml";
    assert_eq!(scene.error().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_creation_was_never_answered_is_found_again() {
    let scene = Scene::fine().await;
    scene.cluster.fail("create", "jobs", &[Fault::SilenceAfter]);
    let job = scene.start().await;
    assert_eq!(scene.cluster.names("jobs"), [&*job.job_name]);
    assert_eq!((scene.cluster.calls("create jobs"), scene.cluster.calls("get jobs")), (2, 1));
    until_over(&scene.launcher, &job.job_name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_somebody_else_took_is_left_to_them() {
    let scene = Scene::fine().await;
    scene.cluster.fail("create", "jobs", &[Fault::Taken]);
    let job = scene.start().await;
    let all = scene.cluster.names("jobs");
    assert!(all.len() == 2 && all.contains(&job.job_name), "{all:?}");
    let ours = scene.cluster.object("jobs", &job.job_name).unwrap();
    assert!(ours["metadata"]["annotations"]["ticketing-report/request"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clusters_clock_may_be_hours_off() {
    for seconds in [-7200, 7200] {
        let scene = Scene::new(by_year).await;
        scene.cluster.be_ahead(seconds);
        let good = scene.start().await;
        let bad = scene.launcher.start(&request("2001-01-01", "2001-01-31")).await.unwrap();
        for (job, state) in [(&good, JobState::Succeeded), (&bad, JobState::Failed)] {
            let ended = until_over(&scene.launcher, &job.job_name).await;
            assert_eq!(ended.state, state, "{seconds}: {ended:?}");
            assert!(ended.completion_time >= ended.start_time, "{seconds}: {ended:?}");
        }
        // What is over isn't taken for a job under way, and a restart changes nothing.
        assert_ne!(scene.start().await.job_name, good.job_name);
        let later = begin(&scene.client, &scene.store).await;
        assert_eq!(until_over(&later, &bad.job_name).await.state, JobState::Failed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_job_of_an_old_name_is_not_cancelled_for_it() {
    let scene = Scene::fine().await;
    scene.go(false);
    scene.make("held", |_| {});
    until(&scene.launcher, "held", |job| job.state == JobState::Running).await;
    // Nobody may watch while it is replaced.
    scene.cluster.fail("watch", "jobs", &[Fault::Silence]);
    scene.cluster.until_called("watch jobs", || scene.cluster.cut()).await;
    scene.cluster.remove("jobs", "held");
    let new = scene.make("held", |_| {});
    let error = scene.launcher.cancel("held").await.unwrap_err();
    assert!(matches!(&error, LaunchError::Refused(why) if why.contains("refuses to delete jobs (409)")), "{error}");
    assert_eq!(scene.cluster.object("jobs", "held").unwrap()["metadata"]["uid"], new["metadata"]["uid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_the_api_refuses_is_quoted() {
    let scene = Scene::fine().await;
    let mut cronjob = scene.cluster.object("cronjobs", "ticketing-report-cronjob").unwrap();
    cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] = "Always".into();
    scene.cluster.put("cronjobs", cronjob);
    let error = scene.error().await;
    let expected =
        "is invalid: spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"";
    assert!(error.contains("refuses to create jobs (422): Job.batch") && error.ends_with(expected), "{error}");
    assert_eq!(scene.cluster.calls("create jobs"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_waited_for_and_what_does_not_pass_is_said() {
    let scene = Scene::fine().await;
    for (verb, resource) in [("list", "jobs"), ("get", "cronjobs"), ("create", "jobs")] {
        scene.cluster.fail(verb, resource, &[429, 500, 503].map(Fault::Code));
    }
    let job = scene.start().await;
    assert_eq!(scene.cluster.names("jobs"), [&*job.job_name]);
    assert_eq!(scene.cluster.calls("create jobs"), 4);
    until_over(&scene.launcher, &job.job_name).await;

    scene.cluster.fail("create", "jobs", &[Fault::Code(503); 200]);
    let error = scene.error().await;
    assert!(error.ends_with("refuses to create jobs (503): the server is having trouble"), "{error}");
    assert_eq!(scene.cluster.names("jobs").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_by_chance_no_job_is_lost_and_none_ends_wrongly() {
    const FATES: [Fate; 6] =
        [Fate::Publish, Fate::Exit(65), Fate::OutOfMemory, Fate::Publish, Fate::Deadline, Fate::Mute(73)];
    // A hundred faults, in ten clusters.
    for seed in 0..10 {
        let day_of = |job: &Value| {
            let first = job["spec"]["template"]["spec"]["containers"][0]["args"][1].as_str().unwrap();
            first[8..].parse::<usize>().unwrap() - 1
        };
        let scene = Scene::new(move |job| FATES[day_of(job)]).await;
        scene.cluster.fail_by_chance(seed, 10);
        let scene = &scene;
        let all = futures::future::join_all((0..FATES.len()).map(|at| async move {
            let day = format!("2025-01-{:02}", at + 1);
            // Who gets no answer asks again.
            let name = loop {
                match scene.launcher.start(&request(&day, "2025-01-31")).await {
                    Ok(job) => break job.job_name,
                    Err(LaunchError::Unavailable(_)) => {}
                    Err(other) => panic!("seed {seed}: {other}"),
                }
            };
            let good = FATES[at] == Fate::Publish;
            let ended = until_over(&scene.launcher, &name).await;
            let state = if good { JobState::Succeeded } else { JobState::Failed };
            assert_eq!(ended.state, state, "seed {seed}: {ended:?}");
            assert_eq!(ended.edition.is_some(), good, "seed {seed}: {ended:?}");
            name
        }));
        let mut names = all.await;
        names.sort();
        assert_eq!(scene.cluster.names("jobs"), names, "seed {seed}");
        let mut listed: Vec<String> =
            scene.launcher.list().await.unwrap().into_iter().map(|job| job.job_name).collect();
        listed.sort();
        assert_eq!(listed, names, "seed {seed}");
        for name in &names {
            let before = scene.launcher.find(name).await.unwrap();
            scene.cluster.remove("jobs", name);
            scene.cluster.remove_pods(name);
            scene.cluster.until_called("list jobs", || scene.cluster.forget()).await;
            assert_eq!(scene.launcher.find(name).await.unwrap(), before, "seed {seed}");
        }
        assert_eq!(scene.cluster.faults_left(), 0, "seed {seed}: too few calls for all faults");
    }
}
