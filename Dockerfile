# The image of a Sundial node: one binary, no shell commands needed, not root.

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
# The modules first: they change less often than the code, so this layer stays cached.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
# cgo is for SQLite.
RUN CGO_ENABLED=1 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /sundial ./cmd/sundial \
    && mkdir -p /empty

# The same Debian as the build image: the binary is linked against its C library.
FROM debian:bookworm-slim
COPY --from=build /sundial /usr/local/bin/sundial
# Volumes that are made on these folders belong to the user too.
COPY --from=build --chown=65532:65532 /empty /data
COPY --from=build --chown=65532:65532 /empty /keys
COPY --from=build --chown=65532:65532 /empty /root-key
USER 65532:65532
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8080 4222
ENTRYPOINT ["/usr/local/bin/sundial"]
# A node that stands alone, with the embedded NATS server. Something before it does TLS.
CMD ["serve", "--data", "/data", "--listen", "0.0.0.0:8080", "--nats-listen", "0.0.0.0:4222", "--insecure"]
