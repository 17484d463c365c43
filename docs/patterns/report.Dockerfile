# The verdict as a file, also of an image that fails: a step that fails keeps no
# file, so a stage of its own goes on with -c.
#
#   docker build -f report.Dockerfile --secret id=assay_token,src=token.txt .
#   docker build -f report.Dockerfile --secret id=assay_token,src=token.txt --target report -o . .
#
# The first command builds and gates; the second writes verdict.json.
FROM debian:12-slim AS assay
ADD --chmod=755 https://assay.example.com/assay /
RUN chmod +x /assay

FROM debian:12-slim AS image

# What your image is made of stands here, such as
WORKDIR /srv

FROM image AS scan
RUN --mount=type=bind,from=assay,target=/.assay --mount=type=secret,id=assay_token \
    ["/.assay/assay", "-c", "--output", "json=/verdict.json"]

FROM scratch AS report
COPY --from=scan /verdict.json /

FROM image
RUN --mount=type=bind,from=assay,target=/.assay \
    --mount=type=secret,id=assay_token ["/.assay/assay"]
