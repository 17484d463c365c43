# Writes the verdict to a file, also for an image that fails. A step that fails keeps no
# file, so a separate stage scans with -c. --output takes the other formats of
# docs/reports.md too.
#
#   docker build -f report.Dockerfile --secret id=assay_token,src=token.txt .
#   docker build -f report.Dockerfile --secret id=assay_token,src=token.txt --target report -o . .
#
# The first command builds the image and fails on findings. The second one writes
# verdict.json.
FROM debian:12-slim AS assay
ADD --chmod=755 https://assay.example.com/assay /
RUN chmod +x /assay

FROM debian:12-slim AS image

# Put the lines of your image here, such as
WORKDIR /srv

FROM image AS scan
RUN --mount=type=bind,from=assay,target=/.assay --mount=type=secret,id=assay_token \
    ["/.assay/assay", "-c", "--output", "json=/verdict.json"]

FROM scratch AS report
COPY --from=scan /verdict.json /

FROM image
RUN --mount=type=bind,from=assay,target=/.assay \
    --mount=type=secret,id=assay_token ["/.assay/assay"]
