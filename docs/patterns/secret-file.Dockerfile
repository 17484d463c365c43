# The token as a secret, which stays in no layer, history or log. The client
# stays in the image: bind.Dockerfile leaves nothing behind.
#
#   docker build -f secret-file.Dockerfile --secret id=assay_token,src=token.txt .
FROM debian:12-slim

# What your image is made of stands here.

ADD https://assay.example.com/assay /
RUN chmod +x /assay
# The secret is the file /run/secrets/assay_token, where assay looks by itself.
RUN --mount=type=secret,id=assay_token ["/assay"]
