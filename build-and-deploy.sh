#!/usr/bin/env bash
# Builds both images, brings them into a local cluster, and deploys everything there; `--help` says how. It may be run
# again whenever something has changed. build-and-deploy.ps1 does the same on Windows: the tests compare the two, so a
# command or a message that is changed here is changed there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

namespace=train-orchestrator
report_image=train-company-ticketing-report:latest
server_image=train-company-orchestrator:latest
cluster=''
context=''
overlay=''
username=''
demo=false
skip_build=false
dry_run=false
answer=''

usage() {
    cat <<'END'
Usage: ./build-and-deploy.sh [OPTIONS]

  --cluster docker-desktop|minikube|kind   what kind of cluster it is; else told by the context's name
  --context NAME    the context of kubectl; else the current one, after a question
  --overlay NAME    a folder of k8s/overlays; else docker-desktop there, and pvc on minikube and kind
  --username NAME   your Windows user name, for the folder C:\Users\NAME\kubernetes-reports
  --demo            also a PostgreSQL with made-up data
  --skip-build      deploy the images that are there already
  --dry-run         print the commands and run none
  --help            print this

For a cluster in a cloud see docs/kubernetes/cloud.md.
END
}

step() { printf '\n== %s\n' "$1"; }

# What went wrong, and what to do about it.
fail() {
    printf '\nFAILED: %s\nWhat to do: %s\n' "$1" "$2" >&2
    exit 1
}

show() { printf '+'; printf ' %s' "$@"; printf '\n'; }

run() {
    show "$@"
    [ "$dry_run" = true ] || "$@"
}

# Runs a command for what it says, which is then in `answer`.
query() {
    show "$@"
    answer=''
    [ "$dry_run" = true ] || answer=$("$@")
}

has() { command -v "$1" >/dev/null 2>&1; }

while [ $# -gt 0 ]; do
    case $1 in
        --cluster | --context | --overlay | --username)
            [ $# -gt 1 ] || fail "$1 needs a value" 'see --help'
            ;;
    esac
    case $1 in
        --cluster) cluster=$2; shift ;;
        --context) context=$2; shift ;;
        --overlay) overlay=$2; shift ;;
        --username) username=$2; shift ;;
        --demo) demo=true ;;
        --skip-build) skip_build=true ;;
        --dry-run) dry_run=true ;;
        --help) usage; exit 0 ;;
        *) fail "there is no option $1" 'see --help' ;;
    esac
    shift
done

step 'The cluster'
if [ "$dry_run" = true ]; then
    cluster=${cluster:-docker-desktop}
    context=${context:-$cluster}
else
    has docker || fail 'docker was not found' 'install Docker Desktop or Docker Engine, and open a new terminal'
    has kubectl || fail 'kubectl was not found' 'install kubectl, and open a new terminal'
    if [ -z "$context" ]; then
        query kubectl config current-context ||
            fail 'kubectl has no current context' 'start the cluster, or name its context with --context'
        context=$answer
        [ -t 0 ] || fail "nobody can be asked whether to deploy to $context" "say so with --context $context"
        printf 'Deploy to the context %s? [y/N] ' "$context"
        read -r reply
        case $reply in [yY]*) ;; *) fail 'nothing was deployed' 'name another context with --context' ;; esac
    fi
fi
if [ -z "$cluster" ]; then
    case $context in
        docker-desktop | docker-for-desktop) cluster=docker-desktop ;;
        minikube) cluster=minikube ;;
        kind-*) cluster=kind ;;
        *) fail "the context $context does not say what kind of cluster it is" \
            'say so with --cluster; for a cloud, see docs/kubernetes/cloud.md' ;;
    esac
fi
case $cluster in
    docker-desktop) overlay=${overlay:-docker-desktop} ;;
    minikube | kind) overlay=${overlay:-pvc} ;;
    *) fail "there is no cluster $cluster" 'docker-desktop, minikube and kind are known' ;;
esac
[ -f "k8s/overlays/$overlay/kustomization.yaml" ] ||
    fail "there is no overlay $overlay" 'name one of the folders in k8s/overlays'
if [ "$dry_run" = false ] && [ "$cluster" != docker-desktop ]; then
    has "$cluster" || fail "$cluster was not found" "install $cluster, and open a new terminal"
fi
kube=(kubectl --context "$context" --namespace "$namespace")
query docker info --format '{{.ServerVersion}}' ||
    fail 'Docker does not answer' 'start Docker Desktop or the Docker service, and wait until it says that it runs'
query "${kube[@]}" version --output json --request-timeout=15s ||
    fail "the cluster of the context $context does not answer" 'start it, or name one of: kubectl config get-contexts'
if [ "$dry_run" = false ]; then
    minor=$(tr -d '\n' <<<"$answer" | sed 's/.*"serverVersion"//; s/.*"minor": *"\([0-9]*\).*/\1/')
    [ "$minor" -ge 31 ] ||
        fail "the cluster is Kubernetes 1.$minor" 'use 1.31 or newer; older ones retry reports that are hopeless'
fi

case $overlay in
    docker-desktop*)
        step 'The folder for the reports'
        if [ -z "$username" ] && has cmd.exe; then
            username=$(cmd.exe /c 'echo %USERNAME%' 2>/dev/null </dev/null | tr -d '\r\n')
        fi
        [ -n "$username" ] ||
            fail 'your Windows user name is not known' 'say it with --username; not on Windows, use --overlay pvc'
        case $username in
            *[]\[\\/:\*\?\"\<\>\|\&\#\'\$\`]*) fail "$username is no Windows user name" 'say it with --username' ;;
        esac
        if [ "$dry_run" = false ]; then
            home=''
            for folder in "/mnt/c/Users/$username" "/c/Users/$username"; do
                [ ! -d "$folder" ] || home=$folder
            done
            [ -n "$home" ] ||
                fail "there is no folder C:\\Users\\$username" \
                    'say its name with --username; not on Windows, use --overlay pvc'
            mkdir -p "$home/kubernetes-reports" ||
                fail "C:\\Users\\$username\\kubernetes-reports can't be made" 'make it by hand'
        fi
        printf '%s\n' "C:\\Users\\$username\\kubernetes-reports"
        ;;
esac

if [ "$skip_build" = false ]; then
    step 'The images (the first time this takes a quarter of an hour or more)'
    query git log -1 --format=%ct || true
    epoch=${answer:-0}
    query git rev-parse HEAD || true
    revision=$answer
    same=(--build-arg "SOURCE_DATE_EPOCH=$epoch" --build-arg "REVISION=$revision")
    run docker build "${same[@]}" --tag "$report_image" . ||
        fail 'the image of the report command was not built' 'read why above; if it is room, try: docker system prune'
    run docker build "${same[@]}" --target server --tag "$server_image" . ||
        fail 'the image of the server was not built' 'read why above; if it is room, try: docker system prune'
fi
query docker image inspect --format '{{.Id}}' "$report_image" "$server_image" ||
    fail 'an image is missing' 'run this again without --skip-build'

case $cluster in
    minikube)
        step 'The images into minikube'
        run minikube --profile "$context" image load "$report_image" "$server_image" ||
            fail 'minikube did not take the images' 'see whether it runs: minikube status'
        ;;
    kind)
        step 'The images into kind'
        run kind load docker-image --name "${context#kind-}" "$report_image" "$server_image" ||
            fail 'kind did not take the images' 'see whether the cluster is there: kind get clusters'
        ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077

step 'The namespace'
run "${kube[@]}" apply -f k8s/base/namespace.yaml ||
    fail 'the namespace was not made' 'ask whoever runs the cluster for the right to make it'

step 'Who may use the server'
query "${kube[@]}" get secret report-server-tokens --ignore-not-found -o name ||
    fail 'the secret report-server-tokens cannot be looked up' 'ask for the right to read secrets in the namespace'
if [ -z "$answer" ]; then
    query docker run --rm "$server_image" token --name operator --role operator ||
        fail 'the server made no token' 'read what it says above'
    line=$(grep -oE 'operator operator [0-9a-f]{64}' <<<"$answer" | head -n 1 || true)
    if [ "$dry_run" = false ]; then
        [ -n "$line" ] || fail 'the server made no token that this script understands' 'see docs/kubernetes/README.md'
        printf '%s\n' "$answer"
        echo 'Keep the token: only its SHA-256 goes to the cluster, so nobody can show it to you again.'
    fi
    run "${kube[@]}" create secret generic report-server-tokens "--from-literal=tokens=$line" ||
        fail 'the secret report-server-tokens was not made' 'ask for the right to make secrets in the namespace'
else
    echo 'The secret report-server-tokens is there and stays as it is.'
fi

step 'The database'
if [ "$demo" = true ]; then
    query "${kube[@]}" get service,deployment -l app.kubernetes.io/component!=demo-database -o name ||
        fail 'the services cannot be looked up' 'ask for the right to read them in the namespace'
    if grep -qE '^(service/postgres-svc|deployment.apps/postgres)$' <<<"$answer"; then
        fail 'there is a database already, and it is not the demo' 'leave --demo away'
    fi
fi
query "${kube[@]}" get secret postgres-secret --ignore-not-found -o name ||
    fail 'the secret postgres-secret cannot be looked up' 'ask for the right to read secrets in the namespace'
if [ -z "$answer" ] && [ "$demo" = true ]; then
    cat >"$work/secret.yaml" <<END
apiVersion: v1
kind: Secret
metadata:
  name: postgres-secret
stringData:
  username: postgres
  password: "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
END
    run "${kube[@]}" create -f "$work/secret.yaml" ||
        fail 'the secret postgres-secret was not made' 'ask for the right to make secrets in the namespace'
elif [ -z "$answer" ]; then
    echo 'There is no secret postgres-secret: reports log in as postgres, without a password.'
fi

step 'Everything else'
query "${kube[@]}" get deployment train-orchestrator --ignore-not-found -o name ||
    fail 'the deployments cannot be looked up' 'ask for the right to read them in the namespace'
deployed=$answer
query kubectl kustomize "k8s/overlays/$overlay" ||
    fail "the overlay $overlay cannot be built" 'undo what was changed under k8s, or update kubectl'
printf '%s\n' "${answer//"<username>"/"$username"}" >"$work/manifests.yaml"
run "${kube[@]}" apply -f "$work/manifests.yaml" ||
    fail 'the cluster refuses a manifest' 'read why above; "immutable": see docs/kubernetes/upgrading-backup-removal.md'
if [ -n "$deployed" ]; then
    # The image has a new content under the same name, which the cluster doesn't notice.
    run "${kube[@]}" rollout restart deployment/train-orchestrator ||
        fail 'the server was not restarted' 'ask for the right to change deployments in the namespace'
fi
if [ "$demo" = true ]; then
    run "${kube[@]}" apply -k k8s/demo-postgres ||
        fail 'the cluster refuses a manifest of the demo' 'read why above'
fi

step 'The volume'
run "${kube[@]}" wait '--for=jsonpath={.status.phase}=Bound' pvc/ticketing-reports-pvc --timeout=120s || {
    run "${kube[@]}" describe pvc ticketing-reports-pvc || true
    fail 'the claim ticketing-reports-pvc is not bound' 'see why above, and docs/kubernetes/troubleshooting.md'
}

if [ "$demo" = true ]; then
    step 'The demo'
    run "${kube[@]}" rollout status deployment/postgres --timeout=300s || {
        run "${kube[@]}" describe pods -l app=postgres || true
        fail 'the demo database does not start' 'see why above, and docs/kubernetes/troubleshooting.md'
    }
    run "${kube[@]}" wait --for=condition=complete job/demo-data --timeout=300s || {
        run "${kube[@]}" logs job/demo-data --tail=20 || true
        fail 'the demo data was not made' 'see why above, and docs/kubernetes/troubleshooting.md'
    }
fi

step 'The server'
run "${kube[@]}" rollout status deployment/train-orchestrator --timeout=180s || {
    run "${kube[@]}" describe pods -l app=train-orchestrator || true
    run "${kube[@]}" logs deployment/train-orchestrator --tail=20 || true
    fail 'the server does not start' 'see why above, and docs/kubernetes/troubleshooting.md'
}

step 'Done. Go on with'
cat <<END
A report of last month:
    ${kube[*]} create job --from=cronjob/ticketing-report-cronjob report-by-hand
    ${kube[*]} logs --follow job/report-by-hand
The server, on http://localhost:8080 as long as this runs:
    ${kube[*]} port-forward svc/train-orchestrator-svc 8080:8080
END
