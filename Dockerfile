# The image of Stella, of static programs that were built before: `docker build --target shell .` in a directory with
#   stella-amd64, stella-arm64   the program of each platform that the image is for
#   ca-certificates.crt          the authorities that registries and servers are certified by
#
# `bare` has nothing else: `docker run`, BuildKit's generator of SBOMs, plugins of Drone and Woodpecker.
# `shell` has a shell too, without which GitLab, CircleCI and others run no job in it.

# Docker's official image, the index of all platforms.
ARG SHELL_IMAGE=busybox:1.37.0-musl@sha256:5cec3fc171c87218698e85a52af7087de727372aae264a787b8112901a5b0092
# Where the links of the shell are made: the builder itself, so that none has to run programs of another processor. A builder that
# has no such variable (Docker's classic one) is told, and TARGETARCH too.
ARG MADE_ON=$BUILDPLATFORM

FROM ${SHELL_IMAGE} AS busybox

# hadolint ignore=DL3029
FROM --platform=$MADE_ON ${SHELL_IMAGE} AS links
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox mkdir -p /shell/bin && /bin/busybox mkdir -m 1777 /shell/tmp && /bin/busybox --install -s /shell/bin && /bin/busybox rm -f /shell/bin/busybox"]

FROM scratch AS bare
ARG TARGETARCH
ARG VERSION=0.0.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="Stella" \
      org.opencontainers.image.description="A gate for container images inside a build" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/stella-gate/stella" \
      org.opencontainers.image.documentation="https://github.com/stella-gate/stella#readme" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY stella-${TARGETARCH} /usr/local/bin/stella
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/stella"]

FROM bare AS shell
COPY --from=busybox /bin/busybox /bin/busybox
COPY --from=links /shell/ /
# CI systems write below the home of the user that a job runs as; this one has no other.
ENV HOME=/tmp
