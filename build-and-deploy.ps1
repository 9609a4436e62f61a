<#
.SYNOPSIS
Builds both images, brings them into a local cluster, and deploys everything there. It may be run again whenever
something has changed.

.DESCRIPTION
For Windows PowerShell 5.1 and PowerShell 7. build-and-deploy.sh does the same elsewhere: the tests compare the two, so
a command or a message that is changed here is changed there. For a cluster in a cloud see docs/kubernetes/cloud.md.

.PARAMETER Cluster
What kind of cluster it is: docker-desktop, minikube or kind; else told by the context's name.
.PARAMETER Context
The context of kubectl; else the current one, after a question.
.PARAMETER Overlay
A folder of k8s/overlays; else docker-desktop there, and pvc on minikube and kind.
.PARAMETER Username
Your Windows user name, for the folder C:\Users\NAME\kubernetes-reports.
.PARAMETER Demo
Also a PostgreSQL with made-up data.
.PARAMETER SkipBuild
Deploy the images that are there already.
.PARAMETER DryRun
Print the commands and run none.

.EXAMPLE
.\build-and-deploy.ps1 -Demo
#>
param(
    [string]$Cluster = '',
    [string]$Context = '',
    [string]$Overlay = '',
    [string]$Username = '',
    [switch]$Demo,
    [switch]$SkipBuild,
    [switch]$DryRun
)

$ErrorActionPreference = 'Stop'
Set-Location $PSScriptRoot

$Namespace = 'train-orchestrator'
$ReportImage = 'train-company-ticketing-report:latest'
$ServerImage = 'train-company-orchestrator:latest'
$Answer = ''
$Work = ''

function Step($What) { Write-Host ''; Write-Host "== $What" }

# What went wrong, and what to do about it.
function Fail($What, $Remedy) {
    Write-Host ''
    Write-Host "FAILED: $What"
    Write-Host "What to do: $Remedy"
    if ($Work) { Remove-Item -Recurse -Force $Work }
    exit 1
}

# For the line after a Run or a Query.
function OrFail($What, $Remedy) { if ($LASTEXITCODE -ne 0) { Fail $What $Remedy } }

function Run {
    Write-Host "+ $($args -join ' ')"
    $global:LASTEXITCODE = 0
    if ($DryRun) { return }
    # Windows PowerShell would otherwise end at the first line that a program writes to stderr.
    $ErrorActionPreference = 'Continue'
    $Program, $Rest = $args
    & $Program @Rest | Out-Host
}

# Runs a command for what it says, which is then in $Answer.
function Query {
    Write-Host "+ $($args -join ' ')"
    $global:LASTEXITCODE = 0
    $script:Answer = ''
    if ($DryRun) { return }
    $ErrorActionPreference = 'Continue'
    $Program, $Rest = $args
    $script:Answer = (& $Program @Rest | Out-String).Trim()
}

# Without a byte order mark, which Windows PowerShell's own cmdlets would write.
function Write-Text($Path, $Text) { [System.IO.File]::WriteAllText($Path, $Text) }

function Has($Name) { [bool](Get-Command $Name -CommandType Application -ErrorAction SilentlyContinue) }

Step 'The cluster'
if ($DryRun) {
    if (-not $Cluster) { $Cluster = 'docker-desktop' }
    if (-not $Context) { $Context = $Cluster }
} else {
    if (-not (Has docker)) {
        Fail 'docker was not found' 'install Docker Desktop or Docker Engine, and open a new terminal'
    }
    if (-not (Has kubectl)) { Fail 'kubectl was not found' 'install kubectl, and open a new terminal' }
    if (-not $Context) {
        Query kubectl config current-context
        OrFail 'kubectl has no current context' 'start the cluster, or name its context with -Context'
        $Context = $Answer
        if ([Console]::IsInputRedirected) {
            Fail "nobody can be asked whether to deploy to $Context" "say so with -Context $Context"
        }
        $Reply = Read-Host "Deploy to the context ${Context}? [y/N]"
        if ($Reply -notlike 'y*') { Fail 'nothing was deployed' 'name another context with -Context' }
    }
}
if (-not $Cluster) {
    switch -Wildcard ($Context) {
        'docker-desktop' { $Cluster = 'docker-desktop' }
        'docker-for-desktop' { $Cluster = 'docker-desktop' }
        'minikube' { $Cluster = 'minikube' }
        'kind-*' { $Cluster = 'kind' }
        default {
            Fail "the context $Context does not say what kind of cluster it is" `
                'say so with -Cluster; for a cloud, see docs/kubernetes/cloud.md'
        }
    }
}
switch ($Cluster) {
    'docker-desktop' { if (-not $Overlay) { $Overlay = 'docker-desktop' } }
    'minikube' { if (-not $Overlay) { $Overlay = 'pvc' } }
    'kind' { if (-not $Overlay) { $Overlay = 'pvc' } }
    default { Fail "there is no cluster $Cluster" 'docker-desktop, minikube and kind are known' }
}
if (-not (Test-Path "k8s/overlays/$Overlay/kustomization.yaml")) {
    Fail "there is no overlay $Overlay" 'name one of the folders in k8s/overlays'
}
if (-not $DryRun -and $Cluster -ne 'docker-desktop' -and -not (Has $Cluster)) {
    Fail "$Cluster was not found" "install $Cluster, and open a new terminal"
}
$Kube = @('kubectl', '--context', $Context, '--namespace', $Namespace)
Query docker info --format '{{.ServerVersion}}'
OrFail 'Docker does not answer' 'start Docker Desktop or the Docker service, and wait until it says that it runs'
Query @Kube version --output json '--request-timeout=15s'
OrFail "the cluster of the context $Context does not answer" 'start it, or name one of: kubectl config get-contexts'
if (-not $DryRun) {
    $Minor = [int](($Answer | ConvertFrom-Json).serverVersion.minor -replace '\D', '')
    if ($Minor -lt 31) {
        Fail "the cluster is Kubernetes 1.$Minor" 'use 1.31 or newer; older ones retry reports that are hopeless'
    }
}

if ($Overlay -like 'docker-desktop*') {
    Step 'The folder for the reports'
    if (-not $Username) { $Username = $env:USERNAME }
    if (-not $Username) {
        Fail 'your Windows user name is not known' 'say it with -Username; not on Windows, use -Overlay pvc'
    }
    if ($Username -match '[\]\[\\/:*?"<>|&#''$`]') { Fail "$Username is no Windows user name" 'say it with -Username' }
    $Folder = "C:\Users\$Username\kubernetes-reports"
    if (-not $DryRun) {
        if (-not (Test-Path "C:\Users\$Username")) {
            Fail "there is no folder C:\Users\$Username" 'say its name with -Username; not on Windows, use -Overlay pvc'
        }
        New-Item -ItemType Directory -Force -Path $Folder -ErrorAction SilentlyContinue | Out-Null
        if (-not (Test-Path $Folder)) { Fail "C:\Users\$Username\kubernetes-reports can't be made" 'make it by hand' }
    }
    Write-Host $Folder
}

if (-not $SkipBuild) {
    Step 'The images (the first time this takes a quarter of an hour or more)'
    $Epoch = '0'
    $Revision = ''
    if (Has git) {
        Query git log -1 '--format=%ct'
        if ($Answer) { $Epoch = $Answer }
        Query git rev-parse HEAD
        $Revision = $Answer
    }
    $Same = @('--build-arg', "SOURCE_DATE_EPOCH=$Epoch", '--build-arg', "REVISION=$Revision")
    Run docker build @Same --tag $ReportImage .
    OrFail 'the image of the report command was not built' 'read why above; if it is room, try: docker system prune'
    Run docker build @Same --target server --tag $ServerImage .
    OrFail 'the image of the server was not built' 'read why above; if it is room, try: docker system prune'
}
Query docker image inspect --format '{{.Id}}' $ReportImage $ServerImage
OrFail 'an image is missing' 'run this again without -SkipBuild'

switch ($Cluster) {
    'minikube' {
        Step 'The images into minikube'
        Run minikube --profile $Context image load $ReportImage $ServerImage
        OrFail 'minikube did not take the images' 'see whether it runs: minikube status'
    }
    'kind' {
        Step 'The images into kind'
        Run kind load docker-image --name ($Context -replace '^kind-', '') $ReportImage $ServerImage
        OrFail 'kind did not take the images' 'see whether the cluster is there: kind get clusters'
    }
}

$Work = Join-Path ([System.IO.Path]::GetTempPath()) ([System.IO.Path]::GetRandomFileName())
New-Item -ItemType Directory -Path $Work | Out-Null

Step 'The namespace'
Run @Kube apply -f k8s/base/namespace.yaml
OrFail 'the namespace was not made' 'ask whoever runs the cluster for the right to make it'

Step 'Who may use the server'
Query @Kube get secret report-server-tokens --ignore-not-found -o name
OrFail 'the secret report-server-tokens cannot be looked up' 'ask for the right to read secrets in the namespace'
if (-not $Answer) {
    Query docker run --rm $ServerImage token --name operator --role operator
    OrFail 'the server made no token' 'read what it says above'
    $Line = ''
    if ($Answer -match 'operator operator [0-9a-f]{64}') { $Line = $Matches[0] }
    if (-not $DryRun) {
        if (-not $Line) { Fail 'the server made no token that this script understands' 'see docs/kubernetes/README.md' }
        Write-Host $Answer
        Write-Host 'Keep the token: only its SHA-256 goes to the cluster, so nobody can show it to you again.'
    }
    Run @Kube create secret generic report-server-tokens "--from-literal=tokens=$Line"
    OrFail 'the secret report-server-tokens was not made' 'ask for the right to make secrets in the namespace'
} else {
    Write-Host 'The secret report-server-tokens is there and stays as it is.'
}

Step 'The database'
if ($Demo) {
    Query @Kube get 'service,deployment' -l 'app.kubernetes.io/component!=demo-database' -o name
    OrFail 'the services cannot be looked up' 'ask for the right to read them in the namespace'
    if ($Answer -split '\s+' | Where-Object { $_ -in 'service/postgres-svc', 'deployment.apps/postgres' }) {
        Fail 'there is a database already, and it is not the demo' 'leave -Demo away'
    }
}
Query @Kube get secret postgres-secret --ignore-not-found -o name
OrFail 'the secret postgres-secret cannot be looked up' 'ask for the right to read secrets in the namespace'
if (-not $Answer -and $Demo) {
    $Random = New-Object byte[] 16
    [System.Security.Cryptography.RandomNumberGenerator]::Create().GetBytes($Random)
    $Password = -join ($Random | ForEach-Object { $_.ToString('x2') })
    Write-Text "$Work/secret.yaml" @"
apiVersion: v1
kind: Secret
metadata:
  name: postgres-secret
stringData:
  username: postgres
  password: "$Password"
"@
    Run @Kube create -f "$Work/secret.yaml"
    OrFail 'the secret postgres-secret was not made' 'ask for the right to make secrets in the namespace'
} elseif (-not $Answer) {
    Write-Host 'There is no secret postgres-secret: reports log in as postgres, without a password.'
}

Step 'Everything else'
Query @Kube get deployment train-orchestrator --ignore-not-found -o name
OrFail 'the deployments cannot be looked up' 'ask for the right to read them in the namespace'
$Deployed = $Answer
Query kubectl kustomize "k8s/overlays/$Overlay"
OrFail "the overlay $Overlay cannot be built" 'undo what was changed under k8s, or update kubectl'
Write-Text "$Work/manifests.yaml" ($Answer.Replace('<username>', $Username))
Run @Kube apply -f "$Work/manifests.yaml"
OrFail 'the cluster refuses a manifest' 'read why above; "immutable": see docs/kubernetes/upgrading-backup-removal.md'
if ($Deployed) {
    # The image has a new content under the same name, which the cluster doesn't notice.
    Run @Kube rollout restart deployment/train-orchestrator
    OrFail 'the server was not restarted' 'ask for the right to change deployments in the namespace'
}
if ($Demo) {
    Run @Kube apply -k k8s/demo-postgres
    OrFail 'the cluster refuses a manifest of the demo' 'read why above'
}

Step 'The volume'
Run @Kube wait '--for=jsonpath={.status.phase}=Bound' pvc/ticketing-reports-pvc '--timeout=120s'
if ($LASTEXITCODE -ne 0) {
    Run @Kube describe pvc ticketing-reports-pvc
    Fail 'the claim ticketing-reports-pvc is not bound' 'see why above, and docs/kubernetes/troubleshooting.md'
}

if ($Demo) {
    Step 'The demo'
    Run @Kube rollout status deployment/postgres '--timeout=300s'
    if ($LASTEXITCODE -ne 0) {
        Run @Kube describe pods -l app=postgres
        Fail 'the demo database does not start' 'see why above, and docs/kubernetes/troubleshooting.md'
    }
    Run @Kube wait '--for=condition=complete' job/demo-data '--timeout=300s'
    if ($LASTEXITCODE -ne 0) {
        Run @Kube logs job/demo-data '--tail=20'
        Fail 'the demo data was not made' 'see why above, and docs/kubernetes/troubleshooting.md'
    }
}

Step 'The server'
Run @Kube rollout status deployment/train-orchestrator '--timeout=180s'
if ($LASTEXITCODE -ne 0) {
    Run @Kube describe pods -l app=train-orchestrator
    Run @Kube logs deployment/train-orchestrator '--tail=20'
    Fail 'the server does not start' 'see why above, and docs/kubernetes/troubleshooting.md'
}
Remove-Item -Recurse -Force $Work

Step 'Done. Go on with'
Write-Host @"
A report of last month:
    $Kube create job --from=cronjob/ticketing-report-cronjob report-by-hand
    $Kube logs --follow job/report-by-hand
The server, on http://localhost:8080 as long as this runs:
    $Kube port-forward svc/train-orchestrator-svc 8080:8080
"@
