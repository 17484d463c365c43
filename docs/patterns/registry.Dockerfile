# The client comes from a registry, for a build that must go on while assayd is down.
# ADD from assayd would fail then, and assay would not run. A scheduled job makes the
# image of the client, for example once a day, from these lines:
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

# Put the lines of your image here.

COPY --from=registry.example.com/assay:1 /assay /
# The client in that image does not change, so the scan would stay cached. A new day
# runs it again. To scan in every build, pass the number of the build instead.
ARG day
RUN --mount=type=secret,id=assay_token ["/assay", "--on-error", "warn"]
