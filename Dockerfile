# Two images, both without a shell, a package manager or a user who could do anything:
#
#   docker build --tag train-company-ticketing-report:latest .                    the report command (the last stage)
#   docker build --target server --tag train-company-orchestrator:latest .        the server
#
# One base image is fetched; what the programs need of it at run time (glibc, libgcc, CA certificates) is copied out.
# The first build compiles everything, a quarter of an hour on two cores. For the same bytes again, whoever builds, give
# the same commit's time and name:
#
#   --build-arg SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" --build-arg REVISION="$(git rev-parse HEAD)"

ARG RUST=1.95

FROM rust:${RUST}-slim-bookworm AS tools
# OpenSSL is compiled from source. Versions are Debian's of the day: an older one would lack its security fixes.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates gcc libc6-dev make perl \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src

# What both images have in common, as it will lie in them.
FROM tools AS common
# A folder that anybody may write to: a volume that Docker makes for it takes over its mode, and a user of your own
# choice (`docker run --user`) can write as well. On Kubernetes a volume is mounted over it.
RUN mkdir -p /common/etc/ssl/certs /common/var/lib/dpkg/status.d /common/reports /common/tmp /common/usr/bin \
    && chmod 1777 /common/reports /common/tmp \
    && echo 'report:x:10001:10001:report:/:/sbin/nologin' >/common/etc/passwd \
    && echo 'report:x:10001:' >/common/etc/group \
    && echo 'hosts: files dns' >/common/etc/nsswitch.conf \
    && cp /etc/ssl/certs/ca-certificates.crt /common/etc/ssl/certs/ \
    # Scanners find Debian's release and packages here.
    && cp -L /etc/os-release /common/etc/os-release \
    && for package in ca-certificates libc6 libgcc-s1; do \
        dpkg --status "$package" >"/common/var/lib/dpkg/status.d/$package" || exit; \
    done
COPY . .
ARG REVISION=""
ARG SOURCE_DATE_EPOCH=0
ENV REPORT_GIT_REVISION=$REVISION SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH

# One after the other and each with its own features, so that the server links no database driver and no OpenSSL. What
# was compiled stays in caches of Docker's; without them the result is the same.
FROM common AS build-report
RUN --mount=type=cache,id=ticketing-report-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=ticketing-report-target,target=/src/target,sharing=locked \
    k8s/image/build pipeline ticketing-report

FROM common AS build-server
RUN --mount=type=cache,id=ticketing-report-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=ticketing-report-target,target=/src/target,sharing=locked \
    k8s/image/build server report-server

FROM scratch AS server
COPY --from=build-server /image/ /
ENV PATH=/usr/bin REPORT_LISTEN=0.0.0.0:8080 REPORT_STORE=/reports
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["report-server"]
ARG REVISION=""
LABEL org.opencontainers.image.title="train-company-orchestrator" \
    org.opencontainers.image.description="Lists and serves the ticketing reports, and starts them" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.revision="$REVISION"

FROM scratch AS report
COPY --from=build-report /image/ /
ENV PATH=/usr/bin REPORT_STORE=/reports
USER 10001:10001
ENTRYPOINT ["ticketing-report"]
ARG REVISION=""
LABEL org.opencontainers.image.title="train-company-ticketing-report" \
    org.opencontainers.image.description="Turns the ticketing database into a month's workbook and Parquet snapshot" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.revision="$REVISION"
