//! Buckets reached without keys, by the identity that a cluster or a machine of each cloud gives a program.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use tests::workplace::Workplace;

/// A cloud that grants whoever asks, and has no buckets.
struct Cloud {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Cloud {
    /// It answers until the tests end.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let request = read(&client);
                let (status, body) = answer(&request);
                heard.lock().unwrap().push(request);
                let length = body.len();
                // Who has gone meanwhile has no need of it.
                let _ =
                    write!(&client, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            }
        });
        Self { address, asked }
    }
}

/// A request as it came, names of headers in small letters.
fn read(client: &TcpStream) -> String {
    let mut reader = BufReader::new(client);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() <= "\r\n".len() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            let name = name.to_ascii_lowercase();
            if name == "content-length" {
                length = value.trim().parse().unwrap();
            }
            line = format!("{name}: {value}");
        }
        request.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

fn answer(request: &str) -> (&'static str, &'static str) {
    let path = request.split(' ').nth(1).unwrap();
    if path.contains("/credentials") {
        let granted = r#"{"AccessKeyId": "GRANTED", "SecretAccessKey": "secret", "Token": "session",
                          "Expiration": "2099-01-01T00:00:00Z"}"#;
        return ("200 OK", granted);
    }
    if path.contains("/token") {
        return ("200 OK", r#"{"access_token": "granted", "token_type": "Bearer", "expires_in": 3600}"#);
    }
    ("404 Not Found", "<Error><Code>NoSuchBucket</Code><Message>there is none</Message></Error>")
}

#[test]
fn a_workload_s_identity_is_exchanged_for_what_the_requests_to_its_bucket_are_made_with() {
    let work = Workplace::new();
    std::fs::write(work.file("projected"), "the-cluster-says-so").unwrap();
    let file = work.file("projected").display().to_string();
    for (store, variables, asks, with) in [
        (
            "s3://reports/monthly",
            &[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "CLOUD/v1/credentials"),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &*file),
                ("AWS_ENDPOINT_URL", "CLOUD"),
                ("AWS_ALLOW_HTTP", "true"),
                ("AWS_REGION", "eu-central-1"),
            ][..],
            &["GET /v1/credentials ", "authorization: the-cluster-says-so"][..],
            &["Credential=GRANTED/", "x-amz-security-token: session"][..],
        ),
        (
            "az://reports/monthly",
            &[
                ("AZURE_FEDERATED_TOKEN_FILE", &*file),
                ("AZURE_CLIENT_ID", "the-client"),
                ("AZURE_TENANT_ID", "the-tenant"),
                ("AZURE_AUTHORITY_HOST", "CLOUD"),
                ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
                ("AZURE_ENDPOINT", "CLOUD"),
                ("AZURE_ALLOW_HTTP", "true"),
            ],
            &["/the-tenant/oauth2/v2.0/token", "client_id=the-client", "client_assertion=the-cluster-says-so"],
            &["authorization: Bearer granted"],
        ),
        (
            "gs://reports/monthly",
            &[("GCE_METADATA_HOST", "HOST"), ("GOOGLE_BASE_URL", "CLOUD"), ("GOOGLE_ALLOW_HTTP", "true")],
            &["/computeMetadata/v1/instance/service-accounts/default/token", "metadata-flavor: Google"],
            &["authorization: Bearer granted"],
        ),
    ] {
        let cloud = Cloud::start();
        let run = work.command(&["list", "--store", store]);
        let run = variables.iter().fold(run, |run, (name, value)| {
            let at = format!("http://{}", cloud.address);
            run.env(name, &value.replace("CLOUD", &at).replace("HOST", &cloud.address))
        });
        let ended = run.finish();
        assert!(ended.failed(78).contains("the store's bucket doesn't exist"), "{store} {:?}", ended.stderr);
        let asked = cloud.asked.lock().unwrap().clone();
        let [exchange, request, ..] = &asked[..] else { panic!("{store} was asked {asked:?}") };
        assert!(asks.iter().all(|words| exchange.contains(words)), "{store} was asked {exchange}");
        assert!(with.iter().all(|words| request.contains(words)), "{store} was asked {request}");
    }
}
