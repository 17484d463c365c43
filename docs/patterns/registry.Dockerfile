# The client from a registry, for a build that must go on while assayd is down: ADD
# of its address would fail then, and no flag of assay could help. A job of its own
# makes the image of the client, once a day or so, from these lines:
#
#   FROM debian:12-slim AS fetch
#   ADD https://assay.example.com/assay /
#   RUN chmod 755 /assay
#   FROM scratch
#   COPY --from=fetch /assay /
#
#   docker build -f registry.Dockerfile --build-arg day="$(date +%F)" \
#     --secret id=assay_token,src=token.txt .
FROM debian:12-slim

# What your image is made of stands here.

COPY --from=registry.example.com/assay:1 /assay /
# The client in that image stays the same, and so would a cached scan. Another day
# repeats it; the number of the build, in place of the date, repeats it every time.
ARG day
RUN --mount=type=secret,id=assay_token ["/assay", "--on-error", "warn"]
