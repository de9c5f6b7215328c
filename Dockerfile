# syntax=docker/dockerfile:1
# The image of Stella, of a static program that was built before: `docker build --target shell .` in a directory with
#   stella                of the image's platform
#   ca-certificates.crt   the authorities that registries and servers are certified by
#
# `bare` has nothing else: `docker run`, BuildKit's generator of SBOMs, plugins of Drone and Woodpecker.
# `shell` has a shell too, without which GitLab, CircleCI and others run no job in it.
ARG SHELL_IMAGE=busybox:1.37.0-musl

FROM ${SHELL_IMAGE} AS busybox

FROM scratch AS bare
ARG VERSION=0.0.0 REVISION= CREATED=
LABEL org.opencontainers.image.title="Stella" \
      org.opencontainers.image.description="A gate for container images inside a build" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/stella-gate/stella" \
      org.opencontainers.image.documentation="https://github.com/stella-gate/stella#readme" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY stella /usr/local/bin/stella
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/stella"]

FROM bare AS shell
COPY --from=busybox /bin/busybox /bin/busybox
USER 0:0
RUN ["/bin/busybox", "--install", "-s", "/bin"]
USER 65532:65532
