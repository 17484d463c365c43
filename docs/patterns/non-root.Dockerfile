# An image whose user is not root. Put the scan above USER where you can: root
# reads all of the image. Where the base image sets the user already, the secret
# needs a mode, since it is root's alone without one.
#
#   docker build -f non-root.Dockerfile --secret id=assay_token,src=token.txt .
FROM debian:12-slim AS assay
ADD --chmod=755 https://assay.example.com/assay /
RUN chmod +x /assay

FROM debian:12-slim
USER nobody

# What your image is made of stands here.

RUN --mount=type=bind,from=assay,target=/.assay \
    --mount=type=secret,id=assay_token,mode=0444 ["/.assay/assay"]
