# An image whose user is not root. If you can, put the scan before USER, because root
# can read all of the image. If the base image sets the user, the secret needs a mode:
# otherwise only root can read it.
#
#   docker build -f non-root.Dockerfile --secret id=assay_token,src=token.txt .
FROM debian:12-slim AS assay
ADD --chmod=755 https://assay.example.com/assay /
RUN chmod +x /assay

FROM debian:12-slim
USER nobody

# Put the lines of your image here.

RUN --mount=type=bind,from=assay,target=/.assay \
    --mount=type=secret,id=assay_token,mode=0444 ["/.assay/assay"]
