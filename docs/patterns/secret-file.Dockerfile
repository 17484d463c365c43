# The token is a secret, which stays in no layer, history or log. The client stays in the
# image; bind.Dockerfile leaves nothing there.
#
#   docker build -f secret-file.Dockerfile --secret id=assay_token,src=token.txt .
FROM debian:12-slim

# Put the lines of your image here.

ADD https://assay.example.com/assay /
RUN chmod +x /assay
# The secret is the file /run/secrets/assay_token, which assay reads by default.
RUN --mount=type=secret,id=assay_token ["/assay"]
