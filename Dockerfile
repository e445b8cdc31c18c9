# The daemon and its client in an image with nothing else in it: no shell, no
# libraries, not root.
#
#   docker build -t lorrent .
#   docker run -d --name lorrent -p 51767:51767 -p 51767:51767/udp \
#     -v lorrent-state:/state -v "$PWD/downloads:/downloads" --stop-timeout 30 lorrent
#   docker exec lorrent lorrentctl status
#
# With --user UID:GID the folders must belong to that user. A board on USB:
# --device /dev/ttyUSB0 --group-add dialout -e LORRENT_LORA=serial:/dev/ttyUSB0

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
ENV CGO_ENABLED=0
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN go build -trimpath -buildvcs=false -ldflags="-s -w" -o /out/lorrentd ./daemon
RUN go build -trimpath -buildvcs=false -ldflags="-s -w" -o /out/lorrentctl ./ctl
# Whoever the container runs as puts its socket there.
RUN mkdir -p /folders/state /folders/downloads /folders/run/lorrent && chmod 1777 /folders/run/lorrent

FROM gcr.io/distroless/static-debian12:nonroot
ARG REVISION=
LABEL org.opencontainers.image.title="lorrent" \
      org.opencontainers.image.description="BitTorrent and LoRa messages in one daemon" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build --chown=65532:65532 /folders/ /
COPY --from=build /out/lorrentd /out/lorrentctl /usr/local/bin/
ENV PATH=/usr/local/bin \
    LORRENT_STATE_DIR=/state \
    LORRENT_DOWNLOAD_DIR=/downloads \
    LORRENT_RPC=unix:/run/lorrent/rpc.sock
USER 65532:65532
VOLUME ["/state", "/downloads"]
EXPOSE 51767/tcp 51767/udp
# Ends in order within 20 s: give it more than Docker's 10.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=20s --retries=3 CMD ["/usr/local/bin/lorrentctl", "health"]
ENTRYPOINT ["/usr/local/bin/lorrentd"]
CMD ["run"]
